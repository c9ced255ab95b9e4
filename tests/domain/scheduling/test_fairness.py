import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.scheduling.fairness import fair_shares

wishes = st.dictionaries(st.text(max_size=3), st.integers(0, 30), max_size=8)
capacities = st.integers(-5, 120)


@pytest.mark.parametrize(
    ("wants", "capacity", "shares"),
    [
        ({"a": 5, "b": 5}, 10, {"a": 5, "b": 5}),
        ({"a": 100, "b": 1}, 10, {"a": 9, "b": 1}),
        ({"a": 100, "b": 100, "c": 2}, 12, {"a": 5, "b": 5, "c": 2}),
        ({"a": 3}, 0, {"a": 0}),
        ({"a": 3}, -2, {"a": 0}),
        ({}, 5, {}),
    ],
)
def test_who_wants_little_gets_it_and_the_rest_is_split(
    wants: dict[str, int], capacity: int, shares: dict[str, int]
) -> None:
    assert fair_shares(wants, capacity, 0) == shares


@given(wishes, capacities)
def test_nobody_gets_more_than_wanted_and_all_together_no_more_than_there_is(
    wants: dict[str, int], capacity: int
) -> None:
    shares = fair_shares(wants, capacity, 0)
    assert shares.keys() == wants.keys()
    assert all(0 <= shares[name] <= wants[name] for name in wants)
    assert sum(shares.values()) <= max(capacity, 0)


@given(wishes, st.integers(1, 5))
def test_in_the_long_run_nobody_is_passed_over(wants: dict[str, int], capacity: int) -> None:
    turns = [fair_shares(wants, capacity, turn) for turn in range(len(wants))]
    assert all(sum(shares[name] for shares in turns) > 0 for name in wants if wants[name])


@given(wishes, capacities)
def test_nothing_is_left_over_while_somebody_wants_more(wants: dict[str, int], capacity: int) -> None:
    assert sum(fair_shares(wants, capacity, 0).values()) == min(max(capacity, 0), sum(wants.values()))


@given(wishes, capacities)
def test_whoever_wants_more_has_no_less_than_others_but_for_one(wants: dict[str, int], capacity: int) -> None:
    shares = fair_shares(wants, capacity, 0)
    most = max(shares.values(), default=0)
    assert all(shares[name] >= most - 1 for name in wants if shares[name] < wants[name])
