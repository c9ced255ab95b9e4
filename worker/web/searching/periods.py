"""The periods that pages with sums over time offer."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

_DAY: Final = 86400
# Key in the address: seconds (None: since midnight UTC), label, and the width of a bar in seconds.
PERIODS: Final = {
    "today": (None, "today (UTC)", 3600),
    "24h": (_DAY, "24 hours", 3600),
    "7d": (7 * _DAY, "7 days", 6 * 3600),
    "30d": (30 * _DAY, "30 days", _DAY),
}
_DEFAULT: Final = "7d"


@dataclass(frozen=True, slots=True)
class Period:
    """A period until now: its key in the address, its label, its start, and the width of a bar in seconds."""

    key: str
    label: str
    start: datetime
    width: int


def period_of(key: str, now: datetime) -> Period:
    """Return the period with a key, or the default one."""
    key = key if key in PERIODS else _DEFAULT
    seconds, label, width = PERIODS[key]
    midnight = datetime.combine(now.astimezone(UTC), time(), UTC)
    return Period(key, label, midnight if seconds is None else now - timedelta(seconds=seconds), width)
