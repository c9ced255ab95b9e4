"""When the balance of an account will be used up."""

from datetime import datetime, timedelta
from typing import Final

# The spending of this time says how fast a balance is used up.
FORECAST_OVER: Final = timedelta(days=7)
# Later than this is not a forecast.
_FURTHEST: Final = timedelta(days=3650)


def runs_out_at(credits_: int, spent: int, now: datetime) -> datetime | None:
    """Return when a balance is used up at the pace of the last seven days, in which ``spent`` credits went net.

    None if nothing was spent, or if it would take more than ten years.
    """
    if credits_ <= 0:
        return now
    if spent <= 0 or credits_ / spent >= _FURTHEST / FORECAST_OVER:
        return None
    return now + FORECAST_OVER * (credits_ / spent)
