"""Curves as an SVG picture: a few lines over one axis, for documents."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from configs.errors import SettingsError

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 400, 70, 50, 40, 170
COLOURS = ("#3a6fc4", "#2f8f5b", "#c4703a", "#8a3ac4", "#676d75")
Points = Sequence[tuple[float, float]]


def draw_curves(path: Path, curves: Mapping[str, Points], title: str, x: str, y: str) -> Path:
    """Draw curves with their points; both axes begin at 0 and are linear.

    Args:
        path: The SVG file to write.
        curves: Points (x, y) by name, at least one each, none negative.
        title: Above the picture.
        x: What the horizontal axis is.
        y: What the vertical axis is.

    Returns:
        `path`.

    Raises:
        SettingsError: If there is nothing to draw.
    """
    if not curves or not all(curves.values()):
        raise SettingsError("curves: expected at least one point of each curve, got none")
    most_x = max(point[0] for points in curves.values() for point in points) or 1
    most_y = max(point[1] for points in curves.values() for point in points) * 1.1 or 1

    def place(point: tuple[float, float]) -> tuple[float, float]:
        across = LEFT + point[0] / most_x * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - point[1] / most_y * (HEIGHT - BOTTOM - TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 22, title),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x, "middle"),
        _text(8, TOP - 4, y),
    ]
    for step in range(5):
        value = most_y * step / 4
        _, height = place((0, value))
        parts.append(
            f'<path d="M{LEFT} {height:.1f}H{WIDTH - RIGHT}" stroke="#dfe2e6" fill="none"/>'
        )
        parts.append(_text(LEFT - 6, height + 4, f"{value:.3g}", "end"))
    for mark in sorted({point[0] for points in curves.values() for point in points}):
        parts.append(_text(place((mark, 0))[0], HEIGHT - BOTTOM + 18, f"{mark:g}", "middle"))
    for number, (name, points) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in map(place, points))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for a, b in map(place, points):
            parts.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>')
        height = TOP + 20 * number + 10
        parts.append(f'<circle cx="{WIDTH - RIGHT + 16}" cy="{height - 4}" r="5" fill="{colour}"/>')
        parts.append(_text(WIDTH - RIGHT + 28, height, name))
    path.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")
    return path


def _text(across: float, down: float, text: str, anchor: str = "start") -> str:
    """One line of text."""
    return (
        f'<text x="{across:.1f}" y="{down:.1f}" text-anchor="{anchor}" fill="#1c1f24">'
        f"{escape(text)}</text>"
    )
