"""Waiting longer after each failure, and not all at the same time."""


def backoff(failures: int, *, base: float, limit: float, jitter: float) -> float:
    """Seconds to wait after so many failures in a row: ``base`` doubled each time, at most ``limit``.

    ``jitter`` is a random number from 0 to 1; the result lies between half and all of the doubled time (the "equal
    jitter" of Brooker, "Exponential Backoff And Jitter", 2015), so that it grows and yet spreads out.
    """
    # Beyond 2**32 every limit is long reached, and floats would overflow soon after 2**1000.
    full = min(limit, base * 2.0 ** min(max(failures, 1) - 1, 32))
    return full * (0.5 + 0.5 * jitter)
