"""The rules of check times together, in small trials: what `make bench-polling` measures at length."""

from collections.abc import Callable, Sequence

import pytest

from benchmarks.polling.durations import Part, Type, lognormal
from benchmarks.polling.optimum import at_delay, known_type
from benchmarks.polling.policies import Figures, figures, fixed, with_delay
from benchmarks.polling.simulate import Finish, Trial

TARGET = 5.0
TYPES = [lognormal("image", 20, 0.35), lognormal("video", 240, 0.35)]


def of(finishes: Sequence[Finish]) -> Figures:
    return figures([each.requests for each in finishes], [each.delay for each in finishes])


def test_the_target_is_met_with_far_fewer_requests_than_a_fixed_interval_needs() -> None:
    ours = of([each for each in Trial(TYPES, TARGET, 400, seed=1).run().finishes if each.nth > 150])
    assert ours.delay == pytest.approx(TARGET, rel=0.2)
    even = with_delay(lambda scale: fixed(10 * scale), TYPES, ours.delay)
    assert ours.requests < 0.6 * even.requests
    assert ours.requests < 1.2 * at_delay([known_type(kind) for kind in TYPES], ours.delay).requests


def twice(at: float) -> float:
    return 2.0 if at > 1500 else 1.0


def tenth(at: float) -> float:
    return 0.1 if at > 1500 else 1.0


def now_and_then(at: float) -> float:
    return 4.0 if at > 1500 and int(at) % 2 else 1.0


@pytest.mark.parametrize("change", [twice, tenth, now_and_then], ids=["slower", "ten times faster", "two modes"])
def test_a_changed_world_is_followed_and_the_target_met_again(change: Callable[[float], float]) -> None:
    finishes = Trial([lognormal("video", 120, 0.35)], TARGET, 700, seed=2, every=6, change=change).run().finishes
    changed = [each for each in finishes if each.at > 1500 + 600]
    assert of(changed[100:]).delay == pytest.approx(TARGET, rel=0.3)


def test_when_half_the_requests_are_allowed_ranking_helps_and_nobody_starves() -> None:
    types = [*[lognormal("image", 20, 0.4)] * 3, Type("video", (Part(0.1, 5, 0.4), Part(0.9, 300, 0.4)))]
    free = Trial(types, TARGET, 80, seed=3).run().finishes
    rate = sum(each.requests for each in free) / max(each.at for each in free) / 2
    oldest, ranked = (Trial(types, TARGET, 80, seed=3, rate=rate, ranked=way).run().finishes for way in (False, True))
    assert len(ranked) == len(free)
    assert of(ranked).delay < 0.85 * of(oldest).delay
    assert max(each.longest_overdue for each in ranked) <= 610
