"""The price of a request: how many seconds of delay it is worth. One number for each account, which steers itself."""

import math
from typing import Final

LEAST: Final = 0.001
GREATEST: Final = 100_000.0
_SPEED: Final = 0.05
# An end that was found very late moves the price no further than this many targets.
_MOST: Final = 4.0


def first_price(target: float) -> float:
    """Return where steering starts for a target, the mean detection delay in seconds."""
    return bounded(target / 4)


def price_of(stored: float | None, target: float) -> float:
    """Return the price of an account's requests: where steering to the target starts, if it has not yet begun."""
    return stored or first_price(target)


def steer(price: float, target: float, delay: float) -> float:
    """Return the price after an end was found by a check that was planned to find it so late, in seconds, on average.

    What was planned counts, not how late the check came: when requests are short, asking more often would make
    everything later still.
    """
    late = min(delay / target, _MOST)
    return bounded(price * math.exp(_SPEED * (1 - late)))


def bounded(price: float) -> float:
    """Return the price within its bounds."""
    return min(GREATEST, max(LEAST, price))
