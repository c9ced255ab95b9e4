import pytest

from worker.domain.deliveries.retry_policy import next_attempt_in

DAY = 86_400.0


@pytest.mark.parametrize(("attempts", "gap"), [(1, 2), (2, 4), (3, 8), (11, 2048), (12, 3600), (1000, 3600)])
def test_each_failure_doubles_the_gap_up_to_an_hour(attempts: int, gap: float) -> None:
    assert next_attempt_in(attempts, 0, give_up_after=DAY, jitter=1) == gap


@pytest.mark.parametrize(("tried_for", "dead"), [(0, False), (DAY - 1, False), (DAY, True), (2 * DAY, True)])
def test_a_delivery_is_dead_once_it_has_failed_for_the_whole_time(tried_for: float, *, dead: bool) -> None:
    assert (next_attempt_in(9, tried_for, give_up_after=DAY, jitter=0) is None) is dead
