"""Projects that always fail harm only themselves; an API that is down is left alone but for its probes."""

from http.server import BaseHTTPRequestHandler

import pytest

from tests.adversary.stand_in import assert_recorded, check_due, page, refusal, stand_in
from tests.magic_hour.server import Answer, reply
from tests.store.row_checks import assert_sound
from tests.store.world import ROUTES, name, pass_time, project, stored, track
from worker.store.engine import Database
from worker.store.models import Account

BAD = range(1, 13)
ACCOUNT = "/v1/account"


def reset(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def paused_for(database: Database) -> str | None:
    reason: str | None = stored(database, Account)[0]["pause_reason"]
    return reason


@pytest.mark.parametrize("answer", [reply(500), refusal(503), page(403), reset], ids=["500", "503", "page", "reset"])
def test_many_projects_that_always_fail_do_not_pause_their_account(database: Database, answer: Answer) -> None:
    track(database, *BAD, 13, 14, 15)
    with stand_in() as api:
        api.answers = {name(number): answer for number in BAD}
        check_due(database, api)
        assert_recorded(database, 13, 14, 15)
        assert (paused_for(database), api.asked(ACCOUNT)) == (None, 1)
        for number in (16, 17, 18):
            pass_time(database, 20)
            track(database, number)
            check_due(database, api)
            assert_recorded(database, number)
            assert paused_for(database) is None
        found = project(database, 1)
        assert (found["last_problem"], found["state"]) == ("unavailable", "active")
        assert "but the API answers about the account" in found["last_problem_detail"]
        assert found["failure_count"] > 1
    assert_sound(database, ROUTES)


def test_an_api_that_is_down_is_paused_and_probed_until_it_is_back(database: Database) -> None:
    track(database, *range(1, 16))
    with stand_in() as api:
        api.everything = reply(503)
        check_due(database, api)
        assert (paused_for(database), api.asked(ACCOUNT)) == ("unavailable", 1)
        for seconds in (11, 21, 41):
            assert check_due(database, api) == []
            before = len(api.server.paths)
            pass_time(database, seconds)
            check_due(database, api)
            assert [each == ACCOUNT for each in api.server.paths[before:]] == [False, True]
            assert paused_for(database) == "unavailable"
        api.everything = None
        for _ in range(2):
            pass_time(database, 301)
            check_due(database, api)
    assert paused_for(database) is None
    assert_recorded(database, *range(1, 16))


def test_the_pause_ends_when_the_probe_meets_a_bad_project_but_the_account_is_found(database: Database) -> None:
    track(database, *BAD)
    with stand_in() as api:
        api.everything = reply(503)
        check_due(database, api)
        assert paused_for(database) == "unavailable"
        api.everything = None
        api.answers = {name(number): reply(500) for number in BAD}
        pass_time(database, 11)
        check_due(database, api)
    assert paused_for(database) is None


def test_without_an_account_endpoint_a_probe_prefers_a_project_without_failures(database: Database) -> None:
    track(database, *BAD)
    with stand_in() as api:
        api.account = refusal(404)
        api.answers = {name(number): reply(500) for number in BAD}
        check_due(database, api)
        assert paused_for(database) == "unavailable"
        pass_time(database, 11)
        track(database, 13)  # due after all the others
        check_due(database, api)
    assert_recorded(database, 13)
    assert paused_for(database) is None


def test_an_unreadable_answer_ends_the_pause_of_an_api_that_was_down(database: Database) -> None:
    track(database, *BAD)
    with stand_in() as api:
        api.everything = reply(503)
        check_due(database, api)
        api.everything = page(200)
        pass_time(database, 11)
        check_due(database, api)
    assert paused_for(database) is None
