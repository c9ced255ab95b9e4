"""What holds for every history of answers, however strange."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.domain.projects.strategies import PLAN, START, observations, project, waits
from worker.domain.projects.apply_failure import apply_failure
from worker.domain.projects.apply_observation import apply_observation
from worker.domain.projects.observation import CheckFailure, FailureKind, Observation
from worker.domain.projects.outcome import Outcome
from worker.domain.projects.project import Project
from worker.domain.projects.status import is_terminal

troubles = st.builds(CheckFailure, st.sampled_from(FailureKind), st.just("no answer"), st.none() | st.floats(0, 10**9))
steps = st.lists(st.tuples(waits, observations), min_size=1, max_size=12)
rough_steps = st.lists(st.tuples(waits, observations | troubles), min_size=1, max_size=12)
starts = st.sampled_from([project(), project(kind="image"), project(credits_charged=150, adjustment_count=1)])
Steps = Sequence[tuple[timedelta, Observation | CheckFailure]]
NOT_CLOSED = {"charge", "estimate", "final", "refund"}
ENDS = {"project.completed", "project.failed", "project.canceled"}


def history(before: Project, steps: Steps) -> list[tuple[Project, Outcome]]:
    """Each project and what came of its next answer."""
    now = START
    found: list[tuple[Project, Outcome]] = []
    for wait, answer in steps:
        now += wait
        outcome = (
            apply_observation(before, answer, now, PLAN)
            if isinstance(answer, Observation)
            else apply_failure(before, answer, now, PLAN, 0.5, answered_at=now)
        )
        found.append((before, outcome))
        before = outcome.project
    return found


@given(starts, rough_steps)
def test_the_ledger_adds_up_after_every_answer(start: Project, steps: Steps) -> None:
    total = start.credits_charged or 0
    for _, outcome in history(start, steps):
        total += outcome.adjustment.amount if outcome.adjustment else 0
        assert total == (outcome.project.credits_charged or 0)
        assert outcome.adjustment is None or outcome.adjustment.total == total


@given(starts, steps)
def test_the_credits_are_those_last_seen_of_what_was_not_deleted(start: Project, steps: Steps) -> None:
    for (_, outcome), (_, answer) in zip(history(start, steps), steps, strict=True):
        assert isinstance(answer, Observation)
        if answer.enabled:
            assert outcome.project.credits_charged == answer.credits_charged
        elif outcome.adjustment:
            assert "project.completed" in [event.type for event in outcome.events]


@given(starts, rough_steps)
def test_transitions_connect(start: Project, steps: Steps) -> None:
    outcomes = [outcome for _, outcome in history(start, steps)]
    chain = [outcome.transition for outcome in outcomes if outcome.transition]
    assert all(one.status == two.previous for one, two in pairwise(chain))
    assert all(one.previous != one.status for one in chain)
    assert not chain or chain[0].previous is None
    assert outcomes[-1].project.status == (chain[-1].status if chain else None)


@given(starts, rough_steps)
def test_every_change_is_counted(start: Project, steps: Steps) -> None:
    outcomes = [outcome for _, outcome in history(start, steps)]
    last = outcomes[-1].project
    assert last.transition_count - start.transition_count == sum(bool(each.transition) for each in outcomes)
    assert last.adjustment_count - start.adjustment_count == sum(bool(each.adjustment) for each in outcomes)
    assert all(outcome.adjustment is None or outcome.events for outcome in outcomes)


@given(starts, rough_steps)
def test_events_have_keys_of_their_own_and_no_gaps(start: Project, steps: Steps) -> None:
    outcomes = [outcome for _, outcome in history(start, steps)]
    events = [event for outcome in outcomes for event in outcome.events]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert len({event.dedup_key for event in events}) == len(events)
    assert outcomes[-1].project.event_count == len(events)


@given(starts, rough_steps)
def test_a_project_ends_once_and_starts_at_most_once(start: Project, steps: Steps) -> None:
    types = [event.type for _, outcome in history(start, steps) for event in outcome.events]
    ended = any(isinstance(answer, Observation) and is_terminal(answer.status) for _, answer in steps)
    assert sum(type_ in ENDS for type_ in types) == ended
    assert types.count("project.started") <= 1
    assert types.count("project.stalled") <= 1


@given(starts, steps)
def test_only_a_closed_project_needs_no_check_and_it_says_why(start: Project, steps: Steps) -> None:
    for _, outcome in history(start, steps):
        last = outcome.project
        assert last.closed == (outcome.next_check_in is None)
        assert last.closed == (last.close_reason is not None) == (last.closed_at is not None)
        assert outcome.next_check_in is None or outcome.next_check_in > 0


@given(starts, rough_steps)
def test_an_open_project_is_always_checked_again(start: Project, steps: Steps) -> None:
    for _, outcome in history(start, steps):
        assert outcome.project.closed or outcome.next_check_in is not None
        assert outcome.next_check_in is None or outcome.next_check_in <= 72 * 3600


@given(starts, rough_steps)
def test_each_closing_that_nobody_asked_for_is_told(start: Project, steps: Steps) -> None:
    for before, outcome in history(start, steps):
        if outcome.project.closing_count > before.closing_count:
            assert f"project.{outcome.project.close_reason}" in [event.type for event in outcome.events]


@given(starts, rough_steps)
def test_credits_that_change_after_closing_settle_anew(start: Project, steps: Steps) -> None:
    for before, outcome in history(start, steps):
        if outcome.adjustment and before.credits_charged is not None:
            assert outcome.adjustment.reason in ({"correction", "refund"} if before.closed else NOT_CLOSED)
            if before.closed and outcome.project.state == "settling":
                assert outcome.project.settling_since == outcome.project.opened_at


@given(starts, steps, observations.filter(lambda answer: is_terminal(answer.status)))
def test_whoever_has_ended_is_closed_in_the_end(start: Project, steps: Steps, last: Observation) -> None:
    tail = timedelta(seconds=sum(PLAN.settle_gaps) + sum(PLAN.refund_gaps))
    outcomes = history(start, [*steps, (timedelta(0), last), (tail, last)])
    assert outcomes[-1][1].project.closed


@given(steps)
def test_an_untracked_project_stays_closed_whatever_is_seen(steps: Steps) -> None:
    start = project(state="closed", close_reason="untracked", closed_at=START, closing_count=1)
    for _, outcome in history(start, steps):
        assert (outcome.project.close_reason, outcome.next_check_in) == ("untracked", None)


@given(starts, steps)
def test_seeing_the_same_again_is_no_change(start: Project, steps: Steps) -> None:
    *_, (_, again) = history(start, [*steps, (timedelta(0), steps[-1][1])])
    assert (again.transition, again.adjustment) == (None, None)
