"""Charts as numbers that a template draws: bars and lines in a box of 100 by 100, and the same values as a table."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_DAY: Final = 86400
_HOUR: Final = 3600
PARTIAL: Final = ", of a part of this time"


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of a stacked bar."""

    x: float
    y: float
    width: float
    height: float
    series: str
    says: str
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart. ``series`` are (name, css class); ``rows`` are (label, values in the order of the series).

    ``top`` and ``bottom`` are the ends of the axis; ``zero`` is the height of its zero.
    """

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
    bottom: float = 0.0
    zero: float = 100.0

    @property
    def has_partial(self) -> bool:
        """Whether a bar covers only a part of its time."""
        return any(bar.is_partial for bar in self.bars)

    @property
    def is_dot(self) -> bool:
        """Whether its line is a single point."""
        return sum(value is not None for _, values in self.rows for value in values) == 1

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
    """Return the label of a span on an axis."""
    moment = datetime.fromtimestamp(unix, UTC)
    return moment.strftime("%d %b" if seconds >= _DAY else "%d %b %H:%M" if seconds > _HOUR else "%H:%M")


def bars(  # noqa: PLR0913  what a bar chart is made of
    title: str,
    unit: str,
    over: str,
    spans: Sequence[int],
    seconds: int,
    series: Mapping[str, Mapping[int, float]],
    classes: Mapping[str, str],
    *,
    below: Collection[str] = (),
    partial: Collection[int] = (),
) -> Chart:
    """Return stacked bars: for each series its value in each span.

    The series named in ``below`` are drawn below zero. ``partial`` are the spans of which only a part is counted, so
    that their bars are no drop.
    """
    names = list(series)
    rows = [(label(span, seconds), [series[name].get(span, 0) for name in names]) for span in spans]
    top = nice(max((_height(series, span, set(names) - set(below)) for span in spans), default=0))
    lowest = max((_height(series, span, below) for span in spans), default=0)
    bottom = nice(lowest) if lowest else 0.0
    scale = 100 / (top + bottom)
    zero = top * scale
    width = 100 / max(1, len(spans))
    drawn = []
    for place, span in enumerate(spans):
        up, down = zero, zero
        for name in names:
            value = series[name].get(span, 0)
            height = value * scale
            if not value:
                continue
            up, y, down = (up, down, down + height) if name in below else (up - height, up - height, down)
            says = f"{label(span, seconds)}: {value:,.0f} {name}{PARTIAL if span in partial else ''}"
            x = round(place * width, 3)
            drawn.append(
                Bar(x, round(y, 3), round(width * 0.82, 3), round(height, 3), classes[name], says, span in partial)
            )
    shown = [(name, classes[name]) for name in names]
    return Chart(title, unit, over, shown, rows, top, drawn, bottom=bottom, zero=round(zero, 3))


def _height(series: Mapping[str, Mapping[int, float]], span: int, names: Collection[str]) -> float:
    return sum(series[name].get(span, 0) for name in names)


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
    """Return a line through the spans that have a value, optionally with a limit."""
    top = nice(max([*values.values(), limit or 0], default=0))
    width = 100 / max(1, len(spans) - 1)
    points = [(place * width, 100 - 100 * values[span] / top) for place, span in enumerate(spans) if span in values]
    # A single point is a line of no length, which its round ends show as a dot.
    points = points * 2 if len(points) == 1 else points
    path = "M" + " L".join(f"{x:.2f} {y:.2f}" for x, y in points) if points else ""
    rows = [(label(span, seconds), [values.get(span)]) for span in spans]
    at = None if limit is None else round(100 - 100 * limit / top, 2)
    return Chart(title, unit, over, [(title, css)], rows, top, line=path, limit=at, limit_name=limit_name)


def nice(value: float) -> float:
    """Return the next round number, for the end of an axis."""
    if value <= 0:
        return 1.0
    size = 1.0
    while size * 10 <= value:
        size *= 10
    while size > value:
        size /= 10
    return next(size * step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if size * step >= value)
