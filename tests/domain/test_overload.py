from hypothesis import given
from hypothesis import strategies as st

from worker.domain.overload import LONGEST_WAIT, Candidate, choose

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
