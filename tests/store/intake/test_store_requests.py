"""Taking projects in: each id once, whoever sends it and however often."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.store.row_checks import assert_sound
from tests.store.world import (
    PLENTY,
    ROUTES,
    answer,
    change,
    claim,
    hold,
    name,
    of,
    project,
    record,
    request,
    seen,
    stored,
    track,
)
from worker.domain.projects.ledger import Reason
from worker.domain.projects.observation import CheckFailure, FailureKind
from worker.domain.projects.status import CloseReason, Kind
from worker.store.engine import Database
from worker.store.intake import accounts
from worker.store.intake.store_requests import Stored, store_requests
from worker.store.models import Account, CreditAdjustment, TrackedProject
from worker.store.projects.operator_actions import untrack

GIVEN_UP: list[CloseReason] = ["untracked", "missing", "expired"]


def test_an_id_sent_twice_is_one_row(database: Database) -> None:
    assert track(database, 1, 2) == Stored(new=2)
    assert track(database, 1, 2, 3) == Stored(new=1, known=2)
    assert of(stored(database, TrackedProject), "project_id") == [name(1), name(2), name(3)]


def test_an_id_twice_in_one_request_is_one_row_and_the_first_one_counts(database: Database) -> None:
    outcome = track(database, request(1, credits_charged=450), request(1, credits_charged=7))
    assert outcome == Stored(new=1, known=1)
    assert project(database)["credits_charged"] == 450


def test_ids_that_somebody_else_is_just_storing_are_known(database: Database) -> None:
    with ThreadPoolExecutor(1) as other, database.write() as connection:
        store_requests(connection, [request(1), request(2)])
        late = other.submit(track, database, 1, 2, 3)
        time.sleep(0.3)  # it has looked, and found nothing, and now waits for us; if it is slower, that is no matter
        connection.commit()
        assert late.result(30) == Stored(new=1, known=2)
    assert of(stored(database, TrackedProject), "project_id") == [name(1), name(2), name(3)]


def test_the_same_id_of_another_kind_is_another_project(database: Database) -> None:
    assert track(database, request(1), request(1, kind="image")) == Stored(new=2)


def test_a_new_project_is_due_at_once_and_keeps_what_the_caller_said(database: Database) -> None:
    fields: dict[str, Any] = {"metadata": {"order": 7, "tags": ["a", None]}, "notify": {"*": ["celery:shop.ready"]}}
    track(database, request(1, **fields))
    new = project(database)
    assert (new["state"], new["status"], new["account"]) == ("active", None, "default")
    assert new["next_check_at"] == new["tracked_at"] == new["opened_at"]
    assert (new["metadata"], new["notify"]) == (fields["metadata"], fields["notify"])


def test_a_new_account_has_nothing_saved_up(database: Database) -> None:
    track(database, request(1, account="studio"))
    assert of(stored(database, Account), "name", "tokens", "paused_until") == [("studio", 0, None)]


@pytest.mark.parametrize(("kind", "reason"), [("video", "estimate"), ("image", "charge"), ("audio", "charge")])
def test_the_price_from_the_create_call_is_the_first_ledger_entry(
    database: Database, kind: Kind, reason: Reason
) -> None:
    track(database, request(1, kind=kind, credits_charged=450))
    (entry,) = stored(database, CreditAdjustment)
    assert (entry["reason"], entry["amount"], entry["total"], entry["source"]) == (reason, 450, 450, "create")
    assert (entry["sequence"], entry["observed_after"], entry["flagged"]) == (1, None, False)
    assert_sound(database, ROUTES)


@pytest.mark.parametrize(("price", "entries"), [(None, 0), (0, 1), (10**12, 1)])
def test_no_price_makes_no_entry_and_a_price_of_nothing_makes_one(
    database: Database, price: int | None, entries: int
) -> None:
    track(database, request(1, credits_charged=price))
    assert len(stored(database, CreditAdjustment)) == entries
    assert_sound(database, ROUTES)


def test_a_known_project_keeps_what_it_has(database: Database) -> None:
    track(database, request(1, credits_charged=450, metadata={"order": 7}, notify={"*": ["celery:a.b"]}))
    answer(database, seen("rendering", 450))
    before = project(database)
    outcome = track(database, request(1, credits_charged=7, metadata={"order": 8}, notify={"*": ["celery:c.d"]}))
    assert outcome == Stored(known=1, ignored={("video", name(1)): ("credits_charged", "metadata", "notify")})
    assert project(database) == before


def test_a_price_is_compared_with_the_one_first_sent_and_not_with_what_was_charged_since(database: Database) -> None:
    track(database, request(1, credits_charged=450))
    answer(database, seen("complete", 300))
    assert track(database, request(1, credits_charged=450)) == Stored(known=1)
    outcome = track(database, request(1, credits_charged=300))
    assert outcome == Stored(known=1, ignored={("video", name(1)): ("credits_charged",)})
    assert project(database)["expected_credits"] == 450


def test_a_second_request_adds_what_the_first_one_lacked(database: Database) -> None:
    fields: dict[str, Any] = {"credits_charged": 450, "metadata": {"order": 7}, "notify": {"*": ["celery:shop.ready"]}}
    track(database, 1, 2)
    outcome = track(database, request(1, **fields), 2)
    assert outcome == Stored(known=2, added={("video", name(1)): ("credits_charged", "metadata", "notify")})
    assert {part: project(database)[part] for part in fields} == fields
    (entry,) = stored(database, CreditAdjustment)
    assert (entry["reason"], entry["amount"], entry["source"]) == ("estimate", 450, "create")
    assert track(database, request(1, **fields)) == Stored(known=1)
    answer(database, seen("complete", 300))
    assert_sound(database, ROUTES)


def test_a_price_that_comes_during_a_check_and_one_that_the_check_sees_are_entered_once(database: Database) -> None:
    track(database, 1)
    lease = hold(database)
    assert track(database, request(1, credits_charged=450)).added
    record(database, lease, seen("rendering", 470))
    assert track(database, request(1, credits_charged=450)).added == {}
    assert project(database)["credits_charged"] == 470
    assert_sound(database, ROUTES)


def test_a_late_price_of_a_closed_project_is_entered(database: Database) -> None:
    track(database, 1)
    with database.write() as connection:
        untrack(connection, None, None, "somebody", None)
    assert track(database, request(1, credits_charged=450)).reopened == 1
    assert project(database)["credits_charged"] == 450
    assert_sound(database, ROUTES)


def test_the_same_id_twice_in_one_request_adds_up(database: Database) -> None:
    track(database, request(1), request(1, credits_charged=450), request(1, metadata={"order": 7}))
    assert (project(database)["credits_charged"], project(database)["metadata"]) == (450, {"order": 7})
    assert_sound(database, ROUTES)


def test_an_id_of_another_account_is_refused_and_the_rest_is_taken(database: Database) -> None:
    track(database, 1)
    other, good = request(1, account="studio"), request(2, account="studio")
    outcome = track(database, other, good)
    assert (outcome.new, outcome.known) == (1, 0)
    assert outcome.refused == ((other, f"{name(1)} is already tracked for account 'default'", "tracked_elsewhere"),)
    assert project(database)["account"] == "default"


def test_an_id_for_two_accounts_in_one_request_is_taken_for_the_first(database: Database) -> None:
    mine, other = request(1), request(1, account="studio")
    outcome = track(database, mine, other, other)
    assert (outcome.new, outcome.known) == (1, 0)
    assert [refused.request for refused in outcome.refused] == [other, other]


@pytest.mark.parametrize("reason", GIVEN_UP)
def test_a_project_that_was_given_up_is_opened_again(database: Database, reason: CloseReason) -> None:
    track(database, 1)
    answer(database, CheckFailure(FailureKind.NOT_FOUND, "none"))
    with database.write() as connection:
        untrack(connection, "video", [name(1)], "somebody", None)
    change(database, close_reason=reason)
    assert track(database, 1, 1) == Stored(known=1, reopened=1)
    again = project(database)
    assert (again["state"], again["close_reason"], again["closed_at"]) == ("active", None, None)
    assert (again["missing_count"], again["missing_since"], again["failure_count"]) == (0, None, 0)
    assert again["next_check_at"] == again["opened_at"] > again["tracked_at"]
    assert sum(batch.size for batch in claim(database)) == 1


@pytest.mark.parametrize("reason", ["settled", "deleted"])
def test_a_project_that_came_to_its_end_stays_closed(database: Database, reason: CloseReason) -> None:
    track(database, 1)
    with database.write() as connection:
        untrack(connection, None, None, "somebody", None)
    change(database, close_reason=reason)
    assert track(database, 1) == Stored(known=1)
    assert project(database)["close_reason"] == reason


def test_a_given_up_project_of_another_account_is_not_opened(database: Database) -> None:
    track(database, 1)
    with database.write() as connection:
        untrack(connection, None, None, "somebody", None)
    assert len(track(database, request(1, account="studio")).refused) == 1
    assert project(database)["state"] == "closed"


def test_a_project_that_ended_before_it_was_given_up_tells_no_second_end(database: Database) -> None:
    track(database, 1)
    answer(database, seen("complete", 300))
    with database.write() as connection:
        untrack(connection, None, None, "somebody", None)
    track(database, 1)
    answer(database, seen("complete", 300))
    assert project(database)["state"] == "settling"
    assert_sound(database, ROUTES)


def test_opening_again_during_a_check_takes_nothing_from_it(database: Database) -> None:
    track(database, 1)
    with database.write() as connection:
        untrack(connection, None, None, "somebody", None)
    track(database, 1)
    lease = hold(database)
    track(database, 1)
    assert record(database, lease, seen("rendering")).checked == 1


def test_ten_thousand_at_once(database: Database) -> None:
    many = [request(number, credits_charged=number % 3 or None) for number in range(10_000)]
    assert track(database, *many) == Stored(new=10_000)
    assert track(database, *many) == Stored(known=10_000)
    with database.write() as connection:
        assert len(untrack(connection, None, None, "somebody", None)) == 10_000
    assert track(database, *many) == Stored(reopened=10_000)
    assert sum(batch.size for batch in claim(database, PLENTY, max_in_flight=20_000)) == PLENTY.bucket


def test_nothing_is_stored_when_the_transaction_fails(database: Database) -> None:
    def store_and_fail() -> None:
        with database.write() as connection:
            store_requests(connection, [request(1, credits_charged=450)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        store_and_fail()
    assert stored(database, TrackedProject) == stored(database, CreditAdjustment) == stored(database, Account) == []


def test_a_sender_cannot_make_accounts_without_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "MOST_ACCOUNTS", 3)
    with database.write() as connection:
        requests = [request(number, account=f"account-{number}") for number in range(6)]
        stored_ = store_requests(connection, requests, with_key=["account-5"])
    assert [each.request.account for each in stored_.refused] == ["account-3", "account-4"]
    assert all("this name is new" in each.reason for each in stored_.refused)
    assert stored_.new == 4
    again = track(database, request(10, account="account-0"), request(11, account="another"))
    assert (again.new, len(again.refused)) == (1, 1)
