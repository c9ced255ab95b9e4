"""Exponential back-off with jitter."""


def backoff(failures: int, *, base: float, limit: float, jitter: float) -> float:
    """Return the seconds to wait after a number of consecutive failures: ``base`` doubled each time, at most ``limit``.

    ``jitter`` is a random number from 0 to 1; the result lies between half and all of the doubled time (the "equal
    jitter" of Brooker, "Exponential Backoff And Jitter", 2015), so that it both grows and spreads.
    """
    # 2**32 is beyond every limit, and much larger exponents would overflow.
    full = min(limit, base * 2.0 ** min(max(failures, 1) - 1, 32))
    return full * (0.5 + 0.5 * jitter)
