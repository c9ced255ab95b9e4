"""Bad answers beside healthy projects in the same batch: the neighbours are recorded, the bad one says why."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from tests.adversary.stand_in import StandIn, assert_recorded, check_due, json_reply, page, refusal, stand_in
from tests.magic_hour.bodies import VIDEO
from tests.magic_hour.server import Answer, reply
from tests.store.row_checks import assert_sound
from tests.store.world import ROUTES, change, make_due, name, of, pass_time, project, stored, track
from tests.support.processes import API_KEY
from worker.store.engine import Database
from worker.store.models import Account, CreditAdjustment, Event, StatusTransition

BAD = 2
HOUR, DAY = 3600.0, 86400.0


def beside_healthy(database: Database, answer: Answer | None = None, body: dict[str, Any] | None = None) -> StandIn:
    """Check a bad project between two healthy ones, once."""
    track(database, 1, BAD, 3)
    with stand_in() as api:
        if answer:
            api.answers[name(BAD)] = answer
        api.bodies[name(BAD)] = body or {}
        check_due(database, api)
    assert_recorded(database, 1, 3)
    assert_sound(database, ROUTES)
    assert stored(database, Account)[0]["paused_until"] is None
    return api


def raw_body(**fields: object) -> bytes:
    return json.dumps({**VIDEO, "id": name(BAD), **fields}).encode()


@pytest.mark.parametrize(
    ("body", "credits_charged", "odd"),
    [
        ({"credits_charged": 450.5}, 451, "credits_charged"),
        ({"credits_charged": "450"}, 450, None),
        ({"credits_charged": 450.0}, 450, None),
        ({"credits_charged": 2**63 - 1}, 10**12, "credits_charged"),
        ({"credits_charged": -(2**63)}, -(10**12), "credits_charged"),
        ({"downloads": None}, 300, "downloads"),
        ({"downloads": [{"url": "https://x.example/1", "expires_at": None}]}, 300, "downloads.expires_at"),
        ({"error": {"code": None, "message": "No"}}, 300, "error.code"),
        ({"error": {}}, 300, "error.code,error.message"),
        ({"created_at": 1790000000}, 300, "created_at"),
        ({"width": "512"}, 300, "width"),
        ({"name": 7}, 300, "name"),
        ({"type": "T" * 2000}, 300, "type"),
        ({"type": "T\x00\ud800"}, 300, "type"),
        ({"name": "n\x00\ud800" * 3000}, 300, "name"),
        ({"enabled": "yes"}, 300, "enabled"),
    ],
    ids=lambda each: str(each)[:40] if isinstance(each, dict) else "",
)
def test_an_odd_field_costs_nobody_the_end_of_a_render(
    database: Database, body: dict[str, object], credits_charged: int, odd: str | None
) -> None:
    beside_healthy(database, body=body)
    found = project(database, BAD)
    assert (found["status"], found["state"], found["last_problem"]) == ("complete", "settling", None)
    assert (found["credits_charged"], found["odd_fields"]) == (credits_charged, odd)
    assert len(found["type"] or "") <= 200
    (entry,) = [row for row in stored(database, CreditAdjustment) if row["tracked_project_id"] == found["id"]]
    assert entry["flagged"] == (odd == "credits_charged")
    with database.read() as connection:
        counted = connection.execute(text("SELECT field FROM odd_answers ORDER BY field")).scalars().all()
    assert counted == sorted(odd.split(",")) if odd else counted == []


def test_credits_that_leave_64_bits_both_ways_are_bounded_and_still_add_up(database: Database) -> None:
    track(database, 1, BAD)
    with stand_in() as api:
        for price in (2**63 - 1, -(2**63) + 1, 10**30, 300):
            api.answers[name(BAD)] = reply(200, raw_body(credits_charged=price))
            make_due(database)
            check_due(database, api)
            assert_sound(database, ROUTES)
    bad = project(database, BAD)["id"]
    entries = [row for row in stored(database, CreditAdjustment) if row["tracked_project_id"] == bad]
    assert of(entries, "total", "flagged") == [(10**12, True), (-(10**12), True), (10**12, True), (300, False)]


def test_complete_and_deleted_in_one_answer_counts_the_final_credits(database: Database) -> None:
    track(database, 1, BAD)
    with stand_in() as api:
        api.bodies[name(BAD)] = {"status": "rendering", "credits_charged": 450}
        check_due(database, api)
        api.bodies[name(BAD)] = {"status": "complete", "credits_charged": 360, "enabled": False}
        make_due(database)
        check_due(database, api)
    found = project(database, BAD)
    assert (found["status"], found["credits_charged"], found["close_reason"]) == ("complete", 360, "deleted")
    events = [row for row in stored(database, Event) if row["tracked_project_id"] == found["id"]]
    assert of(sorted(events, key=lambda row: row["sequence"]), "type")[-3:] == [
        "project.completed",
        "project.credits_adjusted",
        "project.deleted",
    ]
    assert_sound(database, ROUTES)


@pytest.mark.parametrize(
    ("answer", "problem", "detail", "message"),
    [
        (reply(200, b'{"id": '), "bad_answer", "not JSON", '{"id":'),
        (page(200), "bad_answer", "a web page", "Just a moment..."),
        (json_reply(200, []), "bad_answer", "not a JSON object", None),
        (json_reply(200, {"message": "Internal"}), "bad_answer", "has no `id`", "Internal"),
        (reply(200, raw_body(status=None)), "bad_answer", "`status`", None),
        (reply(200, raw_body(credits_charged="many")), "bad_answer", "`credits_charged`", None),
        (reply(200, raw_body(credits_charged=True)), "bad_answer", "`credits_charged`", None),
        (reply(200, raw_body(id="somebody-else-0001")), "bad_answer", "another project", None),
        (reply(200, b" " * (1024 * 1024 + 1)), "bad_answer", "1 MiB", None),
        (refusal(400, "invalid_request", "No such model"), "refused", "(400)", "invalid_request: No such model"),
        (refusal(422, "unprocessable", "no"), "refused", "(422)", "unprocessable: no"),
        (refusal(401), "forbidden", "(401), but the account's key works", "code: message"),
        (refusal(402, "insufficient_credits", "Buy"), "forbidden", "(402)", "insufficient_credits: Buy"),
        (refusal(403, "plan_upgrade_required", "Up"), "forbidden", "(403)", "plan_upgrade_required: Up"),
        (page(401), "unavailable", "a web page", "Just a moment..."),
        (page(403), "unavailable", "a web page", "Just a moment..."),
        (page(404), "unavailable", "a web page", "Just a moment..."),
        (refusal(404, "not_found", "Not Found"), "not_found", "(404)", "not_found: Not Found"),
        (refusal(500, "internal", "oops"), "unavailable", "(500)", "internal: oops"),
        (reply(302, Location="https://elsewhere.example"), "bad_answer", "(302)", None),
    ],
    ids=range(20),
)
def test_a_bad_answer_is_kept_with_its_reason_and_harms_nobody(
    database: Database, answer: Answer, problem: str, detail: str, message: str | None
) -> None:
    beside_healthy(database, answer)
    found = project(database, BAD)
    assert (found["last_problem"], found["last_problem_message"], found["failure_count"]) == (problem, message, 1)
    assert detail in found["last_problem_detail"]
    assert found["failing_since"] == found["last_problem_at"]
    with database.read() as connection:
        seen = connection.execute(
            text("SELECT last_problem_detail FROM projects WHERE project_id = :id"), {"id": name(BAD)}
        ).scalar_one()
    assert seen == found["last_problem_detail"]


@pytest.mark.parametrize("status", [401, 402, 403])
def test_one_refused_project_backs_off_alone_is_reported_and_expires_in_the_end(
    database: Database, status: int
) -> None:
    track(database, 1)
    with stand_in() as api:
        api.answers[name(1)] = refusal(status, "plan_upgrade_required", "Upgrade")
        for _ in range(6):
            assert check_due(database, api)
            assert stored(database, Account)[0]["paused_until"] is None
            found = project(database, 1)
            assert (found["last_problem"], found["state"]) == ("forbidden", "active")
            pass_time(database, HOUR / 2)
            make_due(database)
        (stalled,) = [row for row in stored(database, Event) if row["type"] == "project.stalled"]
        assert stalled["payload"]["reason"]["message"] == "plan_upgrade_required: Upgrade"
        pass_time(database, 7 * DAY)
        make_due(database)
        check_due(database, api)
    assert project(database, 1)["close_reason"] == "expired"
    assert_sound(database, ROUTES)
    assert api.asked("/v1/account") == 7


def test_a_revoked_key_pauses_the_account_and_is_probed_once_a_minute_until_it_works(database: Database) -> None:
    track(database, *range(1, 6))
    with stand_in() as api:
        api.everything = refusal(401, "unauthorized", "Unauthorized")
        check_due(database, api)
        account = stored(database, Account)[0]
        assert account["pause_reason"] == "unauthorized"
        assert "Unauthorized" in account["pause_detail"]
        for _ in range(3):
            assert check_due(database, api) == []  # paused
            before = len(api.server.paths)
            pass_time(database, 61)
            check_due(database, api)
            assert api.server.paths[before:] == ["/v1/account"]
        api.everything = None
        pass_time(database, 61)
        check_due(database, api)
        assert stored(database, Account)[0]["pause_reason"] is None
        pass_time(database, 61)
        check_due(database, api)
    assert_recorded(database, *range(1, 6))


@pytest.mark.parametrize("status", [401, 403, 200])
def test_a_web_page_for_everything_blames_neither_key_nor_project(database: Database, status: int) -> None:
    track(database, *range(1, 6))
    with stand_in() as api:
        api.everything = page(status)
        check_due(database, api)
        assert {project(database, number)["state"] for number in range(1, 6)} == {"active"}
        assert stored(database, Account)[0]["pause_reason"] is None
        api.everything = None
        make_due(database)
        check_due(database, api)
    assert_recorded(database, *range(1, 6))


@pytest.mark.parametrize("answer", [refusal(404, "not_found", "Not Found"), page(404), reply(404)])
def test_an_api_that_finds_nothing_closes_nothing(database: Database, answer: Answer) -> None:
    track(database, *range(1, 21))
    with stand_in() as api:
        check_due(database, api)
        api.everything = answer
        for _ in range(30):
            pass_time(database, 301)
            make_due(database)
            check_due(database, api)
        assert {row["state"] for row in (project(database, number) for number in range(1, 21))} == {"settling"}
        account = stored(database, Account)[0]
        assert account["pause_reason"] in {"nothing_found", "unavailable"}
        assert "404" in account["pause_detail"]
        assert "base URL" in account["pause_detail"] or "BASE_URL" in account["pause_detail"]
        api.everything = None
        for _ in range(2):
            pass_time(database, 301)
            make_due(database)
            check_due(database, api)
    assert_recorded(database, *range(1, 21))
    assert not [row for row in stored(database, Event) if row["type"] == "project.missing"]


@pytest.mark.parametrize("alone", [True, False])
def test_a_project_that_is_gone_is_missing_when_the_account_or_a_neighbour_is_found(
    *, database: Database, alone: bool
) -> None:
    track(database, BAD, *([] if alone else [1]))
    with stand_in() as api:
        api.answers[name(BAD)] = refusal(404, "not_found", "Not Found")
        for _ in range(6):
            make_due(database)
            check_due(database, api)
            pass_time(database, 150)
    assert project(database, BAD)["close_reason"] == "missing"


def _refuse(database: Database, number: int) -> None:
    """Let the database itself refuse a project's transitions."""
    id_ = project(database, number)["id"]
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            statement = f"ALTER TABLE status_transitions ADD CONSTRAINT bad CHECK (tracked_project_id <> {id_})"
        else:
            statement = (
                "CREATE TRIGGER bad BEFORE INSERT ON status_transitions"
                f" WHEN NEW.tracked_project_id = {id_} BEGIN SELECT RAISE(ABORT, 'refused'); END"
            )
        connection.exec_driver_sql(statement)


def test_an_answer_that_cannot_be_stored_is_marked_and_the_others_are_recorded(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    track(database, 1, BAD, 3)
    _refuse(database, BAD)
    with stand_in() as api:
        (recorded,) = check_due(database, api)
    assert_recorded(database, 1, 3)
    found = project(database, BAD)
    assert (found["status"], found["last_problem"], found["failure_count"]) == (None, "not_recorded", 1)
    assert found["lease_token"] is None
    assert "could not be stored" in found["last_problem_detail"]
    assert recorded.changed == 2
    assert caplog.text.count("Traceback") + caplog.text.count('File "') > 0
    assert f"video {name(BAD)}" in caplog.text
    assert "s3cret" not in caplog.text
    assert_sound(database, ROUTES)


def test_a_project_that_is_never_stored_is_reported_and_expires(database: Database) -> None:
    track(database, BAD)
    _refuse(database, BAD)
    with stand_in() as api:
        for _ in range(6):
            check_due(database, api)
            pass_time(database, HOUR)
            make_due(database)
        assert [row["type"] for row in stored(database, Event)] == ["project.stalled"]
        pass_time(database, 7 * DAY)
        make_due(database)
        check_due(database, api)
    assert project(database, BAD)["close_reason"] == "expired"
    assert stored(database, StatusTransition) == []


def test_a_log_line_names_the_project_and_the_reason(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    beside_healthy(database, refusal(400, "invalid_request", f"bad key {API_KEY}"))
    (line,) = [each for each in caplog.messages if name(BAD) in each]
    assert "refused" in line
    assert 'the API says "invalid_request: bad key [key]"' in line


def test_a_refund_after_closing_is_a_refund_and_settling_says_what_is_outstanding(database: Database) -> None:
    track(database, 1)
    with stand_in() as api:
        api.bodies[name(1)] = {"status": "error", "credits_charged": 450}
        for seconds in (0, 5 * DAY):
            pass_time(database, seconds)
            make_due(database)
            check_due(database, api)
        (settled,) = [row["payload"] for row in stored(database, Event) if row["type"] == "project.settled"]
        assert settled["credits_outstanding"] == 450
        change(database, 1, next_check_at=project(database, 1)["tracked_at"])
        api.bodies[name(1)] = {"status": "error", "credits_charged": 0}
        check_due(database, api)
    assert of(stored(database, CreditAdjustment), "reason", "amount") == [("charge", 450), ("refund", -450)]
    assert project(database, 1)["state"] == "settling"
