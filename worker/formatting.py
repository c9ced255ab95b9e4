"""Numbers, times and words formatted for people."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_STEPS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def number(value: float | None) -> str:
    """Return a number with thin spaces between thousands, or a dash."""
    if value is None:
        return "—"
    return f"{value:,.0f}".replace(",", "\u202f")


def compact(value: float) -> str:
    """Return a number in few characters, for an axis: 1.5, 300, 20k, 4M."""
    for least, size, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def decimal(value: float | None, places: int = 1) -> str:
    """Return a number with some decimal places, or a dash."""
    return "—" if value is None else f"{value:,.{places}f}".replace(",", "\u202f")


def signed(value: int) -> str:
    """Return an amount with its sign."""
    return ("+" if value > 0 else "\u2212" if value < 0 else "") + number(abs(value))


def duration(seconds: float | None) -> str:
    """Return a duration in its two largest units."""
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


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: "1 project", "2 projects"; ``many`` is an irregular plural."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def between(start: datetime | None, end: datetime | None) -> str:
    """Return the time between two moments."""
    return "—" if start is None or end is None else duration((end - start).total_seconds())


def relative(moment: datetime | None, now: datetime) -> str:
    """Return how long ago a moment was, or how far ahead it is."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 1:
        return "now"
    shown = duration(abs(seconds)).split(" ")
    short = " ".join(shown[:2])
    return f"{short} ago" if seconds > 0 else f"in {short}"


def expected(finish: datetime, earliest: datetime, latest: datetime, now: datetime) -> str:
    """Return when something is expected, with the interval that holds 80 % of such times."""
    middle, low, high = ((moment - now).total_seconds() for moment in (finish, earliest, latest))
    if high <= 0:
        return "any moment"
    about = f"in about {duration(middle)}" if middle >= 1 else "any moment"
    return f"{about} (80 % {f'between {duration(low)} and' if low >= 1 else 'within'} {duration(high)})"


def utc(moment: datetime | None) -> str:
    """Return a moment with date, time and zone."""
    return "—" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def redacted(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Return a JSON value without the queries of links, because their signatures give access to the files."""
    if isinstance(value, Mapping):
        return {key: redacted(each) for key, each in value.items()}
    if isinstance(value, list):
        return [redacted(each) for each in value]
    if isinstance(value, str) and value.startswith(("https://", "http://")) and "?" in value:
        parts = urlsplit(value)
        return urlunsplit(parts._replace(query="…"))
    return value


def harmless(value: object) -> object:
    """Return text that no spreadsheet reads as a formula; return anything else unchanged."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
