from datetime import UTC, datetime, timedelta

import pytest

from worker import formatting
from worker.web.cursor import CursorError, read_cursor, write_cursor
from worker.web.drawing import charts

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (0.25, "0.2 s"), (5, "5 s"), (65, "1 min 5 s"), (3600, "1 h"), (90_000, "1 d 1 h"), (None, "—")],
)
def test_durations_are_said_in_two_units(seconds: float | None, shown: str) -> None:
    assert formatting.duration(seconds) == shown


def test_moments_are_said_from_now() -> None:
    assert formatting.relative(NOW - timedelta(seconds=90), NOW) == "1 min ago"
    assert formatting.relative(NOW + timedelta(hours=2, minutes=5), NOW) == "in 2 h"
    assert formatting.relative(NOW, NOW) == "now"
    assert formatting.relative(None, NOW) == "never"


def test_numbers_have_thin_spaces_and_signs() -> None:
    assert formatting.number(1_234_567) == "1\u202f234\u202f567"
    assert (formatting.signed(450), formatting.signed(-450), formatting.signed(0)) == ("+450", "\u2212450", "0")


@pytest.mark.parametrize(("value", "top"), [(0, 1), (0.03, 0.03), (7, 8), (11, 15), (101, 150), (950, 1000)])
def test_axes_end_at_a_round_number(value: float, top: float) -> None:
    assert charts.nice(value) == pytest.approx(top)


def test_bars_are_stacked_within_the_box_and_told_as_a_table() -> None:
    series = {"complete": {0: 6.0, 3600: 2.0}, "error": {0: 2.0}}
    chart = charts.bars("t", "u", "2 hours", [0, 3600], 3600, series, {"complete": "g", "error": "r"})
    assert chart.rows == [("00:00", [6.0, 2.0]), ("01:00", [2.0, 0])]
    assert chart.top == 8
    assert [(bar.y, bar.height, bar.series) for bar in chart.bars] == [(25, 75, "g"), (0, 25, "r"), (75, 25, "g")]
    assert charts.bars("t", "u", "o", [0], 3600, {"a": {}}, {"a": "x"}).empty


def test_a_line_skips_what_is_not_known_and_shows_its_limit() -> None:
    chart = charts.line("t", "u", "o", [0, 60, 120], 60, {0: 5.0, 120: 10.0}, limit=10)
    assert chart.line == "M0.00 50.00 L100.00 0.00"
    assert chart.limit == 0
    assert chart.rows[1] == ("00:01", [None])


def test_a_single_point_is_drawn_as_a_dot() -> None:
    chart = charts.line("t", "u", "o", [0, 60, 120], 60, {60: 5.0}, limit=10)
    assert chart.is_dot
    assert chart.line == "M50.00 50.00 L50.00 50.00"
    assert not charts.line("t", "u", "o", [0, 60, 120], 60, {0: 5.0, 60: 5.0}).is_dot


def test_a_cursor_leads_back_and_belongs_to_its_order() -> None:
    assert read_cursor("newest", write_cursor("newest", (None, 7))) == (None, 7)
    assert read_cursor("due", write_cursor("due", (NOW, 7))) == (NOW, 7)
    assert read_cursor("credits", write_cursor("credits", (450, 7))) == (450, 7)
    with pytest.raises(CursorError, match="sorted by credits"):
        read_cursor("credits", write_cursor("newest", (None, 7)))


def test_what_comes_back_is_drawn_below_zero_and_a_part_of_a_time_is_marked() -> None:
    series = {"spent": {0: 300.0, 3600: 100.0}, "refunded": {0: 100.0}}
    classes = {"spent": "b", "refunded": "g"}
    chart = charts.bars("t", "u", "o", [0, 3600], 3600, series, classes, below=("refunded",), partial=(3600,))
    assert (chart.top, chart.bottom, chart.zero) == (300, 100, 75)
    spent, back, last = chart.bars
    assert (spent.y, spent.height) == (0, 75)
    assert (back.y, back.height) == (75, 25)
    assert [each.is_partial for each in chart.bars] == [False, False, True]
    assert last.says.endswith(charts.PARTIAL)
