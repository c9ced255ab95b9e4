"""Numbers, times and words as people read them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

_STEPS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_THOUSAND: Final = 1000


def number(value: float | None) -> str:
    """Return a number with thin spaces between thousands, or a dash."""
    if value is None:
        return "—"
    return f"{value:,.0f}".replace(",", "\u202f")


def decimal(value: float | None, places: int = 1) -> str:
    """Return a number with some places after the point, or a dash."""
    return "—" if value is None else f"{value:,.{places}f}".replace(",", "\u202f")


def signed(value: int) -> str:
    """Return an amount with its sign."""
    return ("+" if value > 0 else "\u2212" if value < 0 else "") + number(abs(value))


def duration(seconds: float | None) -> str:
    """Return a length of time in its two greatest units."""
    if seconds is None:
        return "—"
    left = abs(seconds)
    if left < 1:
        return f"{left:.1f} s" if left else "0 s"
    parts: list[str] = []
    for size, unit in _STEPS:
        count = int(left // size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
            left -= count * size
        if len(parts) == 2:  # noqa: PLR2004  two units
            break
    return " ".join(part for part in parts if part)


def between(start: datetime | None, end: datetime | None) -> str:
    """Return the time between two moments."""
    return "—" if start is None or end is None else duration((end - start).total_seconds())


def relative(moment: datetime | None, now: datetime) -> str:
    """Return how long ago something was, or in how long it will be."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 1:
        return "now"
    shown = duration(abs(seconds)).split(" ")
    short = " ".join(shown[:2])
    return f"{short} ago" if seconds > 0 else f"in {short}"


def utc(moment: datetime | None) -> str:
    """Return a moment in full."""
    return "—" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def redacted(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Return a JSON value in which no link shows its query: the signature in it opens the file to anybody."""
    if isinstance(value, Mapping):
        return {key: redacted(each) for key, each in value.items()}
    if isinstance(value, list):
        return [redacted(each) for each in value]
    if isinstance(value, str) and value.startswith(("https://", "http://")) and "?" in value:
        parts = urlsplit(value)
        return urlunsplit(parts._replace(query="…"))
    return value
