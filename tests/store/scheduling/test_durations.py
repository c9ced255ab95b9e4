"""From history to check times: what was recorded is learned, kept in SQL, and moves the next checks."""

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.store.world import (
    PLAN,
    answer,
    change,
    claim,
    hold,
    make_due,
    name,
    pass_time,
    project,
    record,
    request,
    seen,
    stored,
    track,
)
from worker.domain.projects.observation import Answer, CheckFailure, FailureKind, Observation
from worker.domain.scheduling.durations import Durations
from worker.domain.scheduling.hazard import guess
from worker.domain.scheduling.pricing import first_price
from worker.domain.scheduling.rate_limit import Limits
from worker.store.engine import Database
from worker.store.models import Account, RenderDuration, TrackedProject
from worker.store.projects.operator_actions import untrack
from worker.store.projects.recording import Recorded
from worker.store.scheduling.durations import ENOUGH, finished_renders, load, running_renders, types_to_learn
from worker.tracking.learn_durations import LearnedDurations, learn_durations


def video(status: str) -> Observation:
    return seen(status, type="MUSIC_VIDEO")


def let_go(database: Database, number: int) -> None:
    """So that it is not due beside the next one."""
    with database.write() as connection:
        untrack(connection, None, [name(number)], "tests", None)


def render(database: Database, number: int, seconds: float) -> None:
    """One video that was queued, and then rendered for so long, looked at before its end and at it."""
    track(database, number)
    answer(database, video("queued"))
    answer(database, video("rendering"))
    with database.write() as connection:
        at = project(database, number)["last_observed_at"]
        connection.execute(
            update(TrackedProject)
            .where(TrackedProject.project_id == name(number))
            .values(queued_at=at - timedelta(seconds=seconds), last_observed_at=at)
        )
    answer(database, video("complete"))
    let_go(database, number)


def test_ends_are_learned_by_type_and_kind_and_read_again(database: Database) -> None:
    for number in range(1, 6):
        render(database, number, 100)
    with database.read() as connection:
        lives, since = finished_renders(connection, ("video", "MUSIC_VIDEO"), 100)
    assert (len(lives), since) == (5, -math.inf)
    assert all(each.low == pytest.approx(100, abs=2) and each.low < each.high < 105 for each in lives)
    assert learn_durations(database) == 2
    with database.read() as connection:
        durations = load(connection)
        assert types_to_learn(connection, 100) == []
    hazard, source = durations.known("video", "MUSIC_VIDEO")
    assert source == "learned"
    assert math.exp(-hazard.integral(130)) < 0.4 < math.exp(-hazard.integral(80))
    assert durations.known("video", "NEVER_SEEN")[1] == "kind"
    assert durations.known("image", "NEVER_SEEN")[1] == "unknown"
    assert durations.known("video", "ANIMATION")[1] == "published"
    assert {row["learned_from"] for row in stored(database, RenderDuration)} == {5}


def test_only_what_has_news_is_learned_again(database: Database) -> None:
    render(database, 1, 100)
    learn_durations(database)
    assert learn_durations(database) == 0
    render(database, 2, 100)
    assert learn_durations(database) == 2


def test_a_type_that_is_known_well_is_learned_again_after_a_minute(database: Database) -> None:
    render(database, 1, 100)
    learn_durations(database)
    with database.write() as connection:
        connection.execute(update(RenderDuration).values(learned_from=ENOUGH))
    render(database, 2, 100)
    assert learn_durations(database) == 0
    learned_at = stored(database, RenderDuration)[0]["learned_at"]
    with database.write() as connection:
        connection.execute(update(RenderDuration).values(learned_at=learned_at - timedelta(minutes=1)))
    assert learn_durations(database) == 2


def test_what_tells_nothing_of_its_age_is_not_learned_from(database: Database) -> None:
    track(database, 1)
    answer(database, video("complete"))  # over when it was first seen
    let_go(database, 1)
    track(database, 2)  # handed over long after its creation, and never seen to wait
    answer(database, video("rendering"), video("complete"))
    with database.read() as connection:
        assert finished_renders(connection, ("video", "MUSIC_VIDEO"), 100) == ([], -math.inf)


def test_what_still_runs_is_counted_by_its_age(database: Database) -> None:
    track(database, 1)
    answer(database, video("queued"))
    pass_time(database, 50)
    answer(database, video("rendering"))
    with database.read() as connection:
        (render,) = running_renders(connection, ("video", "MUSIC_VIDEO"), 10)
    assert render.low == pytest.approx(50, abs=2)


def test_a_process_reads_what_was_learned_when_its_memory_has_aged(database: Database) -> None:
    forgetful, patient = LearnedDurations(database, 0), LearnedDurations(database, 3600)
    assert patient.durations().learned == forgetful.durations().learned == {}
    render(database, 1, 100)
    learn_durations(database)
    assert ("video", "MUSIC_VIDEO") in forgetful.durations().learned
    assert patient.durations().learned == {}


def test_a_batch_says_how_many_renders_it_saw_end(database: Database) -> None:
    track(database, 1, 2)
    assert answer_all(database, seen("rendering")).ended == 0
    assert answer_all(database, seen("complete")).ended == 2
    assert answer_all(database, seen("complete")).ended == 0


def price(database: Database) -> float:
    value: float = stored(database, Account)[0]["price"]
    return value


def test_an_end_within_a_short_gap_raises_the_price_and_within_a_long_one_lowers_it(database: Database) -> None:
    start = first_price(PLAN.target)
    track(database, 1, 2)
    answer_all(database, seen("rendering"))
    assert stored(database, Account)[0]["price"] is None
    change(database, 1, check_gap=1.0)
    change(database, 2, check_gap=1.0)
    answer_all(database, seen("complete"))
    raised = price(database)
    assert raised == pytest.approx(start * math.exp(2 * 0.05 * 0.9), rel=0.01)
    track(database, 3)
    answer(database, seen("rendering"))
    change(database, 3, check_gap=100.0)
    answer(database, seen("error", 0))
    assert price(database) < raised


def answer_all(database: Database, given: Answer) -> Recorded:
    make_due(database)
    return record(database, hold(database), given)


def test_ends_that_no_planned_check_found_move_no_price(database: Database) -> None:
    track(database, 1, 2)
    answer_all(database, seen("rendering"))
    answer_all(database, CheckFailure(FailureKind.BAD_ANSWER, "no JSON"))
    answer_all(database, seen("complete"))  # after a back-off
    track(database, 3)
    answer(database, seen("complete"))  # at first sight
    assert stored(database, Account)[0]["price"] is None


def test_the_checks_that_it_took_are_counted_up_to_the_end(database: Database) -> None:
    track(database, 1)
    answer(database, seen("queued"), seen("rendering"), seen("complete"), seen("complete"))
    assert (project(database)["checks_until_finished"], project(database)["check_count"]) == (3, 4)


def test_how_late_an_end_was_seen_is_estimated_when_it_is_seen(database: Database) -> None:
    track(database, 1)
    answer(database, seen("rendering", created_at=None))
    pass_time(database, 20)
    answer(database, seen("complete"))
    late = project(database)["detection_delay"]
    assert 5 < late < 18
    pass_time(database, 20)
    answer(database, seen("complete"))
    assert project(database)["detection_delay"] == late
    track(database, 2)
    answer(database, seen("complete"))  # nobody knows since when
    assert project(database, 2)["detection_delay"] is None


def test_when_more_is_due_than_allowed_who_promises_most_goes_first(database: Database) -> None:
    known = Durations({("video", "SLOW"): guess(600), ("video", "FAST"): guess(10)})
    track(database, 1, 2, request(3))
    for number, type_ in ((1, "SLOW"), (2, "FAST"), (3, "SLOW")):
        change(database, number, type=type_)
    answer_all(database, seen("rendering", created_at=None))
    for number, type_ in ((1, "SLOW"), (2, "FAST"), (3, "SLOW")):
        change(database, number, type=type_, next_check_at=project(database, number)["opened_at"])
    pass_time(database, 15)
    claim(database, Limits(rate=1, burst=2), durations=known)
    leased = [row["project_id"] for row in stored(database, TrackedProject) if row["lease_token"]]
    assert leased == [name(2)]


def test_who_has_waited_too_long_goes_before_all_promises(database: Database) -> None:
    known = Durations({("video", "SLOW"): guess(600), ("video", "FAST"): guess(10)})
    track(database, 1, 2)
    answer_all(database, seen("rendering"))
    change(database, 1, type="SLOW", next_check_at=project(database)["opened_at"] - timedelta(minutes=11))
    change(database, 2, type="FAST", next_check_at=project(database)["opened_at"])
    claim(database, Limits(rate=1, burst=2), durations=known)
    leased = [row["project_id"] for row in stored(database, TrackedProject) if row["lease_token"]]
    assert leased == [name(1)]


def test_two_that_learn_at_the_same_moment_both_succeed(database: Database) -> None:
    for number in range(1, 4):
        render(database, number, 60)
    with ThreadPoolExecutor(4) as pool:
        # Whoever comes late may find nothing left to learn; nobody fails.
        learned = [each.result(60) for each in [pool.submit(learn_durations, database) for _ in range(4)]]
    assert max(learned) == 2
    assert {row["type"] for row in stored(database, RenderDuration)} == {"MUSIC_VIDEO", ""}
