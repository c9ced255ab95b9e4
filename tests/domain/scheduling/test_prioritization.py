from hypothesis import given
from hypothesis import strategies as st

from worker.domain.scheduling.prioritization import LONGEST_WAIT, Candidate, SettlingCandidate, choose

candidates = st.lists(
    st.builds(Candidate, st.integers(0, 10**6), st.floats(0, 2 * LONGEST_WAIT), st.floats(0, 10**6)),
    unique_by=lambda one: one.id,
)


def test_who_promises_most_goes_first() -> None:
    assert choose([Candidate(1, 30, 0.5), Candidate(2, 1, 9.0), Candidate(3, 2, 3.0)], 2) == [2, 3]


def test_who_waited_too_long_goes_before_all_others_the_oldest_first() -> None:
    late = LONGEST_WAIT
    assert choose([Candidate(1, 1, 99.0), Candidate(2, late + 1, 0.0), Candidate(3, late + 2, 0.0)], 2) == [3, 2]


@given(candidates, st.integers(0, 20))
def test_as_many_as_wanted_and_each_once(some: list[Candidate], count: int) -> None:
    chosen = choose(some, count)
    assert len(chosen) == min(count, len(some)) == len(set(chosen))


def settling(*overdue: float, gap: float = 100.0) -> list[SettlingCandidate]:
    return [SettlingCandidate(1000 + number, each, gap) for number, each in enumerate(overdue)]


RUNNING = [Candidate(number, 1, number) for number in range(100)]


def test_finished_projects_wait_while_running_ones_want_all_requests() -> None:
    chosen = choose(RUNNING, 20, settling(*[49.0] * 250), lot=0.99)
    assert all(id_ < 1000 for id_ in chosen)


def test_pressing_finished_projects_get_a_quarter_the_nearest_deadline_first() -> None:
    chosen = choose(RUNNING, 20, settling(*[10.0] * 1000, *range(50, 200)), lot=0.0)
    assert [id_ for id_ in chosen if id_ >= 1000] == [2149, 2148, 2147, 2146, 2145]
    assert len(chosen) == 20


def test_the_share_is_for_pressing_ones_not_for_short_gaps_that_have_just_come_due() -> None:
    short = [SettlingCandidate(2000 + number, 1.0, 30.0) for number in range(50)]
    chosen = choose(RUNNING, 20, [*short, *settling(600.0, gap=1000.0)], lot=0.99)
    assert [id_ for id_ in chosen if id_ >= 1000] == [1000]


def test_a_share_of_less_than_one_project_is_drawn_by_lot() -> None:
    taken = [choose(RUNNING, 1, settling(90.0), lot=lot / 100)[0] >= 1000 for lot in range(100)]
    assert sum(taken) == 25


def test_what_running_projects_leave_goes_to_finished_ones() -> None:
    assert choose(RUNNING[:3], 20, settling(1.0, 2.0)) == [2, 1, 0, 1001, 1000]
