"""Recording answers: everything that follows from a batch in one transaction, or nothing of it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.store.row_checks import assert_sound
from tests.store.world import (
    LEASE,
    ROUTES,
    answer,
    change,
    claim,
    hold,
    make_due,
    name,
    of,
    older,
    pass_time,
    project,
    record,
    request,
    seen,
    stored,
    track,
)
from worker.domain.projects.observation import Answer, CheckFailure, Download, FailureKind, ProjectError
from worker.domain.projects.status import Source
from worker.store.engine import Database
from worker.store.models import Account, CreditAdjustment, Delivery, Event, StatusTransition, TrackedProject
from worker.store.projects.operator_actions import recheck
from worker.store.projects.recording import Recorded
from worker.store.scheduling.leases import begin_batch

HISTORY = (StatusTransition, CreditAdjustment, Event, Delivery)


def hint(database: Database, number: int = 1) -> None:
    with database.write() as connection:
        recheck(connection, "video", [name(number)], "somebody", None)


def test_a_whole_life_leaves_its_history_its_ledger_and_its_news(database: Database) -> None:
    track(database, request(1, credits_charged=450))
    answer(database, seen("queued"), seen("rendering"), seen("complete", 300), seen("complete", 300))
    assert of(stored(database, StatusTransition), "from_status", "to_status") == [
        (None, "queued"),
        ("queued", "rendering"),
        ("rendering", "complete"),
    ]
    assert of(stored(database, CreditAdjustment), "reason", "amount", "total") == [
        ("estimate", 450, 450),
        ("final", -150, 300),
    ]
    events = sorted(stored(database, Event), key=lambda event: event["sequence"])
    assert of(events, "type") == ["project.started", "project.completed", "project.credits_adjusted"]
    assert (project(database)["state"], project(database)["check_count"]) == ("settling", 4)
    assert_sound(database, ROUTES)


def test_a_refund_that_comes_late_is_recorded_as_one(database: Database) -> None:
    track(database, 1)
    answer(database, seen("rendering"), seen("error", error=ProjectError("nsfw", "Not allowed")), seen("error", 0))
    assert of(stored(database, CreditAdjustment), "reason", "amount") == [("estimate", 450), ("refund", -450)]
    assert_sound(database, ROUTES)


@pytest.mark.parametrize("count", [2, 3])
def test_several_projects_of_a_batch_may_stay_as_they_were(database: Database, count: int) -> None:
    track(database, *range(count))
    statuses = ["queued", "rendering", "rendering"][:count]
    lease = hold(database)
    answers = {held.id: seen(status) for held, status in zip(lease.claims, statuses, strict=True)}
    record(database, lease, answers)
    before = stored(database, TrackedProject)
    make_due(database)
    assert record(database, hold(database), answers) == Recorded(checked=count)
    after = stored(database, TrackedProject)
    assert of(after, "check_count") == [2] * count
    assert of(after, "lease_token") == [None] * count
    # Whoever waits has been seen waiting; whoever renders has not.
    moved = [new["queued_at"] != old["queued_at"] for old, new in zip(before, after, strict=True)]
    assert moved == [True, False, False][:count]
    assert_sound(database, ROUTES)


def test_unchanged_answers_write_no_history(database: Database) -> None:
    track(database, *range(5))
    record(database, hold(database), seen("rendering"))
    before = [stored(database, model) for model in HISTORY]
    links = (Download("https://files.example/another?signature=1", "2026-09-26T00:00:00Z"),)
    make_due(database)
    assert record(database, hold(database), seen("rendering", downloads=links)) == Recorded(checked=5)
    assert [stored(database, model) for model in HISTORY] == before
    assert project(database)["downloads"] == [{"url": links[0].url, "expires_at": links[0].expires_at}]


def test_a_recorded_project_is_free_and_planned(database: Database) -> None:
    track(database, 1)
    record(database, hold(database), seen("rendering"))
    free = project(database)
    assert (free["lease_token"], free["leased_until"], free["claimed_at"]) == (None, None, None)
    assert free["next_check_at"] > free["last_observed_at"]
    assert claim(database) == []


def test_projects_of_a_batch_keep_their_own_answers(database: Database) -> None:
    track(database, 1, 2, 3, 4)
    lease = hold(database)
    answers: list[Answer] = [
        seen("rendering"),
        seen("complete", 300),
        seen("rendering", enabled=False),
        CheckFailure(FailureKind.NOT_FOUND, "none"),
    ]
    recorded = record(database, lease, {held.id: each for held, each in zip(lease.claims, answers, strict=True)})
    assert (recorded.checked, recorded.changed, recorded.lost) == (4, 3, 0)
    assert dict(recorded.failures) == {FailureKind.NOT_FOUND: 1}
    assert of(stored(database, TrackedProject), "status", "state", "credits_charged") == [
        ("rendering", "active", 450),
        ("complete", "settling", 300),
        ("rendering", "closed", None),
        (None, "active", None),
    ]
    assert_sound(database, ROUTES)


@pytest.mark.parametrize("model", HISTORY)
def test_a_failure_in_the_middle_leaves_nothing(database: Database, model: Any) -> None:  # noqa: ANN401  any model
    table = model.__tablename__
    track(database, 1, 2)
    lease = hold(database)
    before = stored(database, TrackedProject)
    rename(database, table, "away")
    with pytest.raises(DBAPIError):
        record(database, lease, seen("complete", 300))
    rename(database, "away", table)
    assert stored(database, TrackedProject) == before
    assert [row for each in HISTORY for row in stored(database, each)] == []
    assert record(database, lease, seen("complete", 300)).changed == 2
    assert_sound(database, ROUTES)


def rename(database: Database, table: str, new: str) -> None:
    with database.write() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {new}"))


def test_what_was_not_asked_comes_due_again_and_counts_as_no_check(database: Database) -> None:
    track(database, 1, 2)
    lease = hold(database)
    recorded = record(database, lease, {lease.claims[0].id: seen("rendering")})
    assert (recorded.checked, recorded.lost) == (1, 0)
    left = project(database, 2)
    assert (left["check_count"], left["failure_count"], left["status"], left["lease_token"]) == (0, 0, None, None)
    assert [claimed.project_id for claimed in hold(database).claims] == [name(2)]


def test_answers_about_projects_of_others_are_lost(database: Database) -> None:
    track(database, 1)
    lease = hold(database)
    assert record(database, lease, {lease.claims[0].id + 1: seen("rendering")}).lost == 1
    assert stored(database, StatusTransition) == []


def test_a_change_tells_when_the_old_status_was_still_true(database: Database) -> None:
    """An answer was given at some time between sending the request and recording it: the earlier one is certain."""
    track(database, 1)
    lease = older(hold(database), 5)  # a slow answer
    pass_time(database, 5)
    record(database, lease, seen("queued"))
    answer(database, seen("rendering"))
    first, second = stored(database, StatusTransition)
    assert first["observed_after"] is None
    assert second["observed_after"] == lease.begun_at < first["observed_at"] < second["observed_at"]


def test_a_clock_that_was_set_back_turns_no_history_around(database: Database) -> None:
    track(database, 1)
    answer(database, seen("queued"))
    future = project(database)["last_observed_at"] + timedelta(days=1)
    change(database, last_observed_at=future)
    answer(database, seen("complete", 300))
    last = stored(database, StatusTransition)[-1]
    assert last["observed_after"] == last["observed_at"] == future
    assert_sound(database, ROUTES)


def test_a_hint_makes_a_project_due_and_is_named_as_the_source(database: Database) -> None:
    track(database, 1)
    record(database, hold(database), seen("rendering"))
    hint(database)
    record(database, hold(database), seen("complete", 300))
    assert of(stored(database, StatusTransition), "source") == ["poll", "hint"]
    assert project(database)["hinted_at"] is None
    assert claim(database) == []


def test_a_hint_during_a_check_is_not_lost(database: Database) -> None:
    track(database, 1)
    lease = hold(database)
    hint(database)
    change(database, hinted_at=lease.begun_at + timedelta(microseconds=1000))
    record(database, lease, seen("rendering"))
    record(database, hold(database), seen("complete", 300))
    assert of(stored(database, StatusTransition), "source") == ["poll", "hint"]


def test_a_hint_during_the_last_check_lets_a_closed_project_be_checked_once_more(database: Database) -> None:
    track(database, 1)
    lease = hold(database)
    hint(database)
    change(database, hinted_at=lease.begun_at + timedelta(microseconds=1000))
    record(database, lease, seen("rendering", enabled=False))
    assert project(database)["close_reason"] == "deleted"
    record(database, hold(database), seen("rendering", enabled=False))
    assert (project(database)["next_check_at"], project(database)["check_count"]) == (None, 2)
    assert_sound(database, ROUTES)


def test_a_hint_before_a_lost_check_is_still_the_source_of_the_next(database: Database) -> None:
    track(database, 1)
    hint(database)
    claim(database)
    pass_time(database, LEASE)
    record(database, hold(database), seen("rendering"))
    assert of(stored(database, StatusTransition), "source") == ["hint"]


@pytest.mark.parametrize(("state", "source"), [("active", "poll"), ("settling", "settle")])
def test_what_comes_while_settling_says_so(database: Database, state: str, source: Source) -> None:
    track(database, 1)
    answer(database, seen("rendering") if state == "active" else seen("complete", 450), seen("error", 450))
    assert stored(database, StatusTransition)[-1]["source"] == source


def test_news_goes_once_to_each_destination(database: Database) -> None:
    notify = {"*": ["celery:shop.ready", "celery:news.archive"], "project.completed": ["celery:shop.ready"]}
    track(database, request(1, notify=notify), 2)
    record(database, hold(database), seen("complete", 0))
    by_project = {event["id"]: event["payload"]["project_id"] for event in stored(database, Event)}
    completed = {event["id"] for event in stored(database, Event) if event["type"] == "project.completed"}
    sent = [row for row in stored(database, Delivery) if row["event_id"] in completed]
    assert sorted((by_project[row["event_id"]], row["destination"]) for row in sent) == [
        (name(1), "celery:billing.book?queue=billing"),
        (name(1), "celery:news.archive"),
        (name(1), "celery:shop.ready"),
        (name(2), "celery:billing.book?queue=billing"),
        (name(2), "celery:news.archive"),
    ]
    assert {(row["state"], row["attempts"]) for row in sent} == {("pending", 0)}
    assert_sound(database, ROUTES)


def test_without_destinations_news_is_stored_all_the_same(database: Database) -> None:
    track(database, 1)
    recorded = record(database, hold(database), seen("complete", 300), routes={})
    assert (recorded.changed, recorded.deliveries) == (1, 0)
    assert [event["type"] for event in stored(database, Event)] != []


def test_the_number_of_deliveries_is_told(database: Database) -> None:
    track(database, 1)
    assert record(database, hold(database), seen("complete", 300)).deliveries == len(stored(database, Delivery)) == 3


@pytest.mark.parametrize(
    ("failure_kind", "reason"),
    [
        (FailureKind.RATE_LIMITED, "rate_limited"),
        (FailureKind.UNAUTHORIZED, None),
        (FailureKind.PAYMENT_REQUIRED, None),
        (FailureKind.NOT_FOUND, None),
        (FailureKind.BAD_ANSWER, None),
        (FailureKind.REFUSED, None),
        (FailureKind.UNAVAILABLE, None),
    ],
)
def test_beside_a_good_answer_a_problem_is_the_projects(
    database: Database, failure_kind: FailureKind, reason: str | None
) -> None:
    track(database, 1, 2)
    lease = hold(database)
    first, second = (held.id for held in lease.claims)
    record(database, lease, {first: CheckFailure(failure_kind, "trouble"), second: seen("rendering")})
    (account,) = stored(database, Account)
    assert (account["pause_reason"], account["paused_until"] is not None) == (reason, reason is not None)
    assert project(database)["last_problem"] == failure_kind


@pytest.mark.parametrize(
    "failure_kind", [FailureKind.UNAUTHORIZED, FailureKind.PAYMENT_REQUIRED, FailureKind.RATE_LIMITED]
)
def test_some_problems_are_the_accounts_and_pause_it(database: Database, failure_kind: FailureKind) -> None:
    track(database, 1, 2)
    record(database, hold(database), CheckFailure(failure_kind, "trouble"))
    (account,) = stored(database, Account)
    assert account["pause_reason"] == failure_kind
    assert account["paused_until"] is not None


def test_an_api_that_is_down_opens_the_circuit(database: Database) -> None:
    track(database, *range(10))
    record(database, hold(database), CheckFailure(FailureKind.UNAVAILABLE, "timed out"))
    (account,) = stored(database, Account)
    assert (account["pause_reason"], account["failure_streak"]) == ("unavailable", 10)


def test_good_answers_leave_the_account_alone(database: Database) -> None:
    track(database, 1)
    answer(database, seen("queued"))
    assert project(database)["last_observed_at"] <= stored(database, Account)[0]["answered_at"]
    make_due(database)
    lease = hold(database)
    before = stored(database, Account)
    record(database, lease, seen("rendering"))
    assert stored(database, Account) == before


def test_a_pause_touches_the_account_of_the_batch_alone(database: Database) -> None:
    track(database, 1, request(2, account="studio"))
    claim(database)
    pass_time(database, LEASE)
    track(database, 3)
    for batch in claim(database):
        if batch.account == "studio":
            with database.write() as connection:
                lease = begin_batch(connection, batch.token)
            assert lease
            record(database, lease, CheckFailure(FailureKind.UNAUTHORIZED, "unknown key"))
    assert of(stored(database, Account), "name", "pause_reason") == [("default", None), ("studio", "unauthorized")]


@pytest.mark.parametrize("credits_charged", [-5, 0, 10**9, 2**62, -(2**62)])
def test_absurd_credits_are_stored_as_seen(database: Database, credits_charged: int) -> None:
    track(database, 1)
    answer(database, seen("rendering", 450), seen("complete", credits_charged))
    assert project(database)["credits_charged"] == credits_charged
    assert stored(database, CreditAdjustment)[-1]["flagged"] == (credits_charged != 0)
    assert_sound(database, ROUTES)


def test_words_of_the_future_are_stored_as_seen(database: Database) -> None:
    track(database, 1)
    answer(database, seen("upscaling ⏫", type="A_THING", name="Ünïcödé 🎬"), seen("x" * 200))
    assert of(stored(database, StatusTransition), "to_status") == ["upscaling ⏫", "x" * 200]
    assert (project(database)["state"], project(database)["name"]) == ("active", None)


def test_what_the_api_says_of_a_project_is_stored_and_comes_with_its_events(database: Database) -> None:
    facts = {"start_seconds": 1.5, "end_seconds": 15.0, "image_count": 4}
    track(database, request(1, tracked_by="studio"))
    answer(database, seen("queued", 450, **facts), seen("rendering", 450, **facts), seen("complete", 360, **facts))
    expected = facts | {"expected_credits": 450, "tracked_by": "studio"}
    assert project(database).items() >= expected.items()
    payloads = [event["payload"] for event in stored(database, Event)]
    assert len(payloads) == 4
    assert all(payload.items() >= expected.items() for payload in payloads)


def test_the_expected_credits_are_the_create_calls_wherever_they_are_known(database: Database) -> None:
    track(database, request(1, credits_charged=450), 2, 3)
    track(database, request(3, credits_charged=300))
    answer(database, seen("complete", 200))
    assert [project(database, number)["expected_credits"] for number in (1, 2, 3)] == [450, 200, 300]
