from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.scheduling.backoff import backoff

jitters = st.floats(0, 1)
limits = st.floats(1, 10**6)


@pytest.mark.parametrize(("failures", "least", "greatest"), [(0, 1, 2), (1, 1, 2), (2, 2, 4), (3, 4, 8), (9, 25, 50)])
def test_each_failure_doubles_the_wait_up_to_the_limit(failures: int, least: float, greatest: float) -> None:
    assert backoff(failures, base=2, limit=50, jitter=0) == least
    assert backoff(failures, base=2, limit=50, jitter=1) == greatest


@given(st.integers(0, 10**9), st.floats(0.001, 10**4), limits, jitters)
def test_a_wait_lies_between_half_the_doubled_time_and_the_limit(
    failures: int, base: float, limit: float, jitter: float
) -> None:
    full = backoff(failures, base=base, limit=limit, jitter=1)
    assert full <= limit
    assert full / 2 <= backoff(failures, base=base, limit=limit, jitter=jitter) <= full


@given(st.lists(jitters, min_size=2, max_size=40), limits)
def test_until_the_limit_no_wait_is_shorter_than_the_one_before(chances: list[float], limit: float) -> None:
    waits = [backoff(count, base=1, limit=limit, jitter=jitter) for count, jitter in enumerate(chances, start=1)]
    for count, (one, two) in enumerate(pairwise(waits), start=2):
        assert one <= two or 2.0 ** (count - 1) > limit
