"""Charts as numbers that a template draws: bars and lines in a box of 100 by 100, and the same values as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_DAY: Final = 86400
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of a stacked bar."""

    x: float
    y: float
    width: float
    height: float
    series: str
    says: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart. ``series`` are (name, css class); ``rows`` are (label, values in the order of the series)."""

    title: str
    unit: str
    over: str
    series: Sequence[tuple[str, str]]
    rows: Sequence[tuple[str, Sequence[float | None]]]
    top: float
    bars: Sequence[Bar] = ()
    line: str = ""
    limit: float | None = None
    limit_name: str = "limit"

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value for _, values in self.rows for value in values)

    @property
    def first(self) -> str:
        """The label at the left end."""
        return self.rows[0][0] if self.rows else ""

    @property
    def last(self) -> str:
        """The label at the right end."""
        return self.rows[-1][0] if self.rows else ""


def label(unix: int, seconds: int) -> str:
    """Return how a span of time is named on an axis."""
    moment = datetime.fromtimestamp(unix, UTC)
    return moment.strftime("%d %b" if seconds >= _DAY else "%d %b %H:%M" if seconds > _HOUR else "%H:%M")


def bars(
    title: str,
    unit: str,
    over: str,
    spans: Sequence[int],
    seconds: int,
    series: Mapping[str, Mapping[int, float]],
    classes: Mapping[str, str],
) -> Chart:
    """Return stacked bars: for each series its value in each span."""
    names = list(series)
    rows = [(label(span, seconds), [series[name].get(span, 0) for name in names]) for span in spans]
    top = nice(max((sum(values) for _, values in rows), default=0))
    width = 100 / max(1, len(spans))
    drawn = []
    for place, (text, values) in enumerate(rows):
        base = 100.0
        for name, value in zip(names, values, strict=True):
            height = 100 * value / top
            base -= height
            if value:
                x, y = round(place * width, 3), round(base, 3)
                says = f"{text}: {value:,.0f} {name}"
                drawn.append(Bar(x, y, round(width * 0.82, 3), round(height, 3), classes[name], says))
    return Chart(title, unit, over, [(name, classes[name]) for name in names], rows, top, drawn)


def line(  # noqa: PLR0913  what a line chart is made of
    title: str,
    unit: str,
    over: str,
    spans: Sequence[int],
    seconds: int,
    values: Mapping[int, float],
    *,
    limit: float | None = None,
    limit_name: str = "limit",
    css: str = "s-blue",
) -> Chart:
    """Return a line through the spans that have a value, perhaps with a limit to compare it with."""
    top = nice(max([*values.values(), limit or 0], default=0))
    width = 100 / max(1, len(spans) - 1)
    points = [(place * width, 100 - 100 * values[span] / top) for place, span in enumerate(spans) if span in values]
    path = "M" + " L".join(f"{x:.2f} {y:.2f}" for x, y in points) if points else ""
    rows = [(label(span, seconds), [values.get(span)]) for span in spans]
    at = None if limit is None else round(100 - 100 * limit / top, 2)
    return Chart(title, unit, over, [(title, css)], rows, top, line=path, limit=at, limit_name=limit_name)


def nice(value: float) -> float:
    """Return the next round number, so that an axis ends at one."""
    if value <= 0:
        return 1.0
    size = 1.0
    while size * 10 <= value:
        size *= 10
    while size > value:
        size /= 10
    return next(size * step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if size * step >= value)
