"""The price of a request: how many seconds of delay it is worth. Each account has its own, adjusted by feedback."""

import math
from typing import Final, NamedTuple

LEAST: Final = 0.001
GREATEST: Final = 100_000.0
# The median duration that is assumed where nothing is known, in seconds.
USUAL_MEDIAN: Final = 60.0
_FACTOR: Final = 3.0
_SPEED: Final = 0.05
# The effect of one very late end is limited to this many targets.
_MOST: Final = 4.0
# An end that a webhook reported would have been good enough this many times later: the ceiling of the planned delay.
CEILING: Final = 8.0


class PlannedDelay(NamedTuple):
    """The mean delay, in seconds, with which a planned check would detect an end; and whether a webhook was faster."""

    seconds: float
    hinted: bool = False


def first_price(target: float, median: float = USUAL_MEDIAN) -> float:
    """Return the price before any end was detected, for a target and a type's median duration, both in seconds.

    At a constant hazard h the delay is sqrt(2 price / h) / 2, so the price grows with the target squared over the
    median; the factor fits the usual spreads.
    """
    return bounded(_FACTOR * target**2 / median)


def price_of(stored: float | None, target: float) -> float:
    """Return the price of an account's requests: the stored one, or the first one for renders of about a minute."""
    return stored or first_price(target)


def steer(price: float, target: float, delay: float, *, hinted: bool = False) -> float:
    """Return the price after an end was detected. ``delay`` is the planned mean delay, in seconds.

    The planned delay counts, not the real one: when requests are scarce, checking more often would make
    everything even later.

    ``hinted``: a webhook reported the end before its planned check, which is then held against CEILING targets. If
    that is so for a share s of the ends, the planned delay d settles where s d / CEILING + (1 - s) d is the target. So
    the ends that polling must find add no more than the target to the mean of all, and d never exceeds CEILING targets.
    """
    late = min(delay / (target * CEILING if hinted else target), _MOST)
    return bounded(price * math.exp(_SPEED * (1 - late)))


def bounded(price: float) -> float:
    """Return the price within its bounds."""
    return min(GREATEST, max(LEAST, price))
