"""The frontier as a picture: requests for each project against the mean delay, both on logarithmic scales."""

import math
from collections.abc import Sequence
from html import escape

from benchmarks.polling.policies import Figures

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 760, 460, 70, 60, 20, 20
OURS = (("Renderwatch", "#0a7d4f"), ("optimum", "#7a5cc7"))
DELAYS, REQUESTS = (0.2, 40.0), (4.0, 600.0)


def frontier(lines: Sequence[tuple[str, Figures]]) -> str:
    """Return an SVG document; it follows the reader's light or dark mode."""
    shown = [(name, each) for name, each in lines if each.delay]
    parts = [_axes()]
    for name, colour in OURS:
        of = [each for given, each in shown if given.startswith(name)]
        points = " ".join(f"{_x(each.delay):.1f},{_y(each.requests):.1f}" for each in of)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    for name, each in shown:
        colour = next((colour for start, colour in OURS if name.startswith(start)), "#b3541e")
        x, y = _x(each.delay), _y(each.requests)
        label = name.replace("optimum if all were known, price", "optimum, price")
        side = (-8, 14, "end") if name.startswith("optimum") else (8, -8, "start")
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
        parts.append(
            f'<text x="{x + side[0]:.1f}" y="{y + side[1]:.1f}" text-anchor="{side[2]}" fill="{colour}">'
            f"{escape(label)}</text>"
        )
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-size="12"'
        ' font-family="system-ui, sans-serif">\n'
        "<title>Requests for each project against the mean detection delay</title>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _x(delay: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * math.log(delay / DELAYS[0]) / math.log(DELAYS[1] / DELAYS[0])


def _y(requests: float) -> float:
    share = math.log(requests / REQUESTS[0]) / math.log(REQUESTS[1] / REQUESTS[0])
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share


def _axes() -> str:
    parts = []
    for delay in (0.2, 0.5, 1, 2, 5, 10, 20, 40):
        x = _x(delay)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        at = f'x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}"'
        parts.append(f'<text {at} text-anchor="middle" fill="#444">{delay:g} s</text>')
    for requests in (5, 10, 20, 50, 100, 200, 500):
        y = _y(requests)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#444">{requests}</text>')
    middle = (HEIGHT - BOTTOM + TOP) / 2
    parts.append(
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle" fill="#222">mean detection delay</text>'
    )
    parts.append(
        f'<text x="18" y="{middle}" text-anchor="middle" fill="#222" transform="rotate(-90 18 {middle})">'
        "requests for each project</text>"
    )
    return "\n".join(parts)
