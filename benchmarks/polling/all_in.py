"""Every request for a project, from hand-over until it is closed, at the same mean detection delays."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from benchmarks.polling.durations import Type
from benchmarks.polling.policies import Figures, backing_off, figures, fixed, tried, with_delay
from benchmarks.polling.settling import Settled, Settling, mixed
from benchmarks.polling.simulate import Trial
from worker.domain.scheduling import hazard

DELAYS = (2.0, 5.0, 10.0)
# Targets around the delays that they lead to, half a second of dispatch included.
_TARGETS = (1.2, 2.0, 4.0, 6.0, 9.0, 13.0)
# A name, what is requested until the end and after it, and the delay.
Line = tuple[str, float, float, Figures]


def odds_times_gap(known: hazard.Hazard, age: float, price: float, least: float, greatest: float) -> float:
    """Return the gap by the rule of the first version: the smallest at which odds x gap / 2 reaches the price."""
    low, high = least, greatest
    while high - low > 0.01 * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if hazard.expected_delay_saved(known, age, middle) >= price else (middle, high)
    return high


def lines(types: Sequence[Type], count: int) -> list[Line]:
    """Return a line for each way to check, at each of the delays; ``count`` projects of each type in each trial."""
    settled = Settling(partial(mixed, change_at=12_000), 24 * count, every=10.0).run()
    return [
        ("the vendor's loop, 0.5 s", *_plain(tried(fixed(0.5), types))),
        *_usual("fixed interval", lambda scale: fixed(10 * scale), types),
        *_usual("back-off x 1.5", lambda scale: backing_off(1.5, scale, 60 * scale), types),
        *_ours("the rule as it was, 4 checks after the end", odds_times_gap, types, count, _fixed(settled)),
        *_ours("Renderwatch", hazard.next_gap, types, count, settled.requests / settled.projects),
    ]


def _plain(each: Figures) -> tuple[float, float, Figures]:
    return each.requests, 0.0, each


def _usual(name: str, make: Callable[[float], Callable[..., Sequence[float]]], types: Sequence[Type]) -> list[Line]:
    return [(name, *_plain(with_delay(make, types, delay))) for delay in DELAYS]


def _fixed(settled: Settled) -> float:
    return settled.fixed_requests / settled.projects


def _ours(
    name: str,
    rule: Callable[[hazard.Hazard, float, float, float, float], float],
    types: Sequence[Type],
    count: int,
    after: float,
) -> list[Line]:
    known = [_steady(types, target, count, rule) for target in _TARGETS]
    return [(name, (each := _between(known, delay)).requests, after, each) for delay in DELAYS]


def _steady(
    types: Sequence[Type],
    target: float,
    count: int,
    rule: Callable[[hazard.Hazard, float, float, float, float], float],
) -> Figures:
    trial = Trial(types, target, count, seed=1, learn_every=300.0, rule=rule, dispatched=True).run()
    share = {kind.name: types.count(kind) for kind in types}
    late = [each for each in trial.finishes if each.nth > 0.4 * count * share[each.type]]
    return figures([each.requests for each in late], [each.delay for each in late])


def _between(known: Sequence[Figures], delay: float) -> Figures:
    """Return the figures at a mean delay, between those of two targets, on logarithmic scales."""
    ordered = sorted(known, key=lambda each: each.delay)
    pair = next((pair for pair in pairwise(ordered) if pair[1].delay >= delay), (ordered[-2], ordered[-1]))
    low, high = pair
    share = math.log(delay / low.delay) / math.log(high.delay / low.delay)

    def mix(name: str) -> float:
        first, second = float(getattr(low, name)), float(getattr(high, name))
        return first * math.exp(share * math.log(second / first))

    return Figures(mix("requests"), delay, mix("p95"), mix("p99"))


def show(made: Sequence[Line]) -> None:
    """Print the table."""
    heads = f"{'delay':>8}{'until the end':>15}{'after':>7}{'all in':>8}{'p95':>7}{'p99':>7}"
    print(f"\n{'all in, from hand-over to closed':46}{heads}")
    for name, until, after, each in made:
        print(
            f"{name:46}{each.delay:7.2f}s{until:15.1f}{after:7.1f}{until + after:8.1f}{each.p95:6.1f}s{each.p99:6.1f}s"
        )
