"""How many requests there were too many in any window of time."""

from collections.abc import Sequence


def excess(times: Sequence[float], rate: float, burst: int) -> float:
    """Return by how many requests the worst window exceeds rate x its length + burst; 0 or less when none does.

    With n(i, j) requests from the i-th to the j-th, this is the greatest n(i, j) - rate x (t_j - t_i) - burst.
    """
    worst = -float(burst)
    least = float("inf")
    for index, at in enumerate(sorted(times)):
        level = index - rate * at
        least = min(least, level)
        worst = max(worst, level - least + 1 - burst)
    return worst
