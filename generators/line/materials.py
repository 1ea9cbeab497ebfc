"""Products with the look of a material: printed board, grained wood, turned metal."""

import cv2
import numpy as np

from flawcast.generators.line.products import (
    TEXTURE,
    Floats,
    Mask,
    Product,
    disc,
    fill,
    rounded,
    to_pixels,
)

PLACE = np.linspace(-1, 1, TEXTURE, dtype=np.float32)
ACROSS, DOWN = PLACE[None], PLACE[:, None]


def grain(rng: np.random.Generator, size: tuple[int, int], fine: tuple[float, float]) -> Floats:
    """Smooth noise of unit strength that goes on from the right side to the left: (H, W).

    Args:
        rng: Draws it.
        size: (H, W).
        fine: Size of its spots across and down, in pixels, at least 1.
    """
    height, width = size
    rows, columns = max(4, round(height / fine[1])), max(4, round(width / fine[0]))
    values = np.pad(rng.standard_normal((rows, columns)), ((0, 0), (2, 2)), mode="wrap")
    margin = -(-2 * width // columns)  # so that the right side goes on at the left one
    wide = (width + 2 * margin, height)
    large = cv2.resize(values.astype(np.float32), wide, interpolation=cv2.INTER_CUBIC)
    large = large[:, margin : margin + width]
    return np.asarray(large / (large.std() + 1e-6), np.float32)


def _spots(rng: np.random.Generator, across: float, down: float) -> Floats:
    """Noise on a part's texture."""
    return grain(rng, (TEXTURE, TEXTURE), (across, down))


def _carton(rng: np.random.Generator, surface: Floats, alpha: Mask) -> tuple[Floats, float]:
    """A box of fluted board with a strip of tape, a printed label and a stamp."""
    width, height = 0.92, float(rng.uniform(0.7, 0.86))
    fill(alpha, rounded(width, height, 0.04), 255)
    surface[:] = np.array((0.72, 0.55, 0.37), np.float32) * rng.uniform(0.85, 1.08)
    board = 0.035 * _spots(rng, 5, 2) + 0.03 * _spots(rng, 60, 40) + 0.02 * _spots(rng, 2, 2)
    board += 0.02 * np.sin(2 * np.pi * ACROSS / float(rng.uniform(0.045, 0.06)))
    surface *= 1 + board[..., None]
    middle = float(rng.uniform(-0.12, 0.12))
    tape = np.clip((0.13 - np.abs(DOWN - middle)) * 60, 0, 1) * 0.55 + 0 * ACROSS
    shine = (0.78 + 0.05 * _spots(rng, 90, 4))[..., None] * np.array((1, 0.88, 0.68), np.float32)
    surface += tape[..., None] * (shine - surface)
    _label(rng, surface, float(rng.uniform(-0.8, -0.35)), float(rng.choice([-0.62, 0.0])) * height)
    ink = (0.16, 0.13, 0.12)
    for x in (0.62, 0.74):  # this way up
        fill(surface, [(x, -0.3), (x + 0.05, -0.42), (x + 0.1, -0.3)], ink)
        fill(surface, [(x + 0.035, -0.3), (x + 0.065, -0.3), (x + 0.065, -0.16),
                       (x + 0.035, -0.16)], ink)  # fmt: skip
    return surface, float(rng.uniform(0.16, 0.24))


def _label(rng: np.random.Generator, surface: Floats, left: float, top: float) -> None:
    """A paper label with a band of colour, lines of text and a bar code."""
    wide, high = 0.95, 0.56
    paper = float(rng.uniform(0.84, 0.92))
    corners = [(left, top), (left + wide, top), (left + wide, top + high), (left, top + high)]
    fill(surface, corners, (paper, paper, paper * 0.98))
    bands = ((0.72, 0.16, 0.14), (0.12, 0.32, 0.58), (0.10, 0.42, 0.28), (0.85, 0.48, 0.10))
    band = [(x, min(y, top + 0.13)) for x, y in corners]
    fill(surface, band, bands[rng.integers(len(bands))])
    _print(surface, f"LOT {rng.integers(1000, 9999)}-{rng.integers(10, 99)}",
           (left + 0.04, top + 0.11), 0.75, (0.95, 0.95, 0.93))  # fmt: skip
    for line in range(3):
        word = "".join(rng.choice(list("ABCDEFGHKLMNPRSTUVXZ0123456789"), 9))
        _print(surface, word, (left + 0.04, top + 0.22 + 0.09 * line), 0.5, (0.12, 0.12, 0.13))
    x = left + 0.52
    while x < left + wide - 0.08:
        bar = float(rng.choice([0.008, 0.014, 0.022]))
        code = [(x, top + 0.18), (x + bar, top + 0.18), (x + bar, top + 0.46), (x, top + 0.46)]
        fill(surface, code, (0.09, 0.09, 0.1))
        x += bar + float(rng.choice([0.01, 0.016]))


def _board(rng: np.random.Generator, surface: Floats, alpha: Mask) -> tuple[Floats, float]:
    """A sawn board with year rings, knots, two holes and a stencilled number."""
    height = float(rng.uniform(0.56, 0.72))
    fill(alpha, rounded(0.94, height, 0.06), 255)
    woods = ((0.70, 0.50, 0.30), (0.58, 0.38, 0.23), (0.78, 0.61, 0.42))
    dark, light = 0.72, np.array(woods[rng.integers(len(woods))], np.float32)
    rings = DOWN * float(rng.uniform(5, 8)) + 0.35 * _spots(rng, 260, 90) + 0.8 * ACROSS
    for _ in range(int(rng.integers(1, 4))):
        x, y = float(rng.uniform(-0.7, 0.7)), float(rng.uniform(-0.8, 0.8)) * height
        away = np.hypot((ACROSS - x) / 1.7, DOWN - y)
        rings += 1.6 * np.exp(-((away / 0.11) ** 2))
        light = light * (1 - 0.5 * np.exp(-((away / 0.055) ** 4)))[..., None]
    wave = (rings * 1.7) % 1
    late = np.clip(wave**3 * 1.4, 0, 1)[..., None]
    surface[:] = light * (1 - late * (1 - dark))
    surface *= (1 + 0.05 * _spots(rng, 70, 1.5) + 0.03 * _spots(rng, 2, 2))[..., None]
    surface *= (1 + 0.02 * np.sin(2 * np.pi * (ACROSS + 0.15 * DOWN) / 0.035))[..., None]
    _print(surface, f"{rng.integers(100, 999)} B{rng.integers(1, 9)}", (-0.35, 0.08), 1.9,
           (0.17, 0.11, 0.08))  # fmt: skip
    for x in (-0.78, 0.78):
        disc(surface, (x, 0.0), 0.11, (0.30, 0.20, 0.12), 0.03)
        disc(alpha, (x, 0.0), 0.085, 0)
    return surface, float(rng.uniform(0.10, 0.16))


def _flange(rng: np.random.Generator, surface: Floats, alpha: Mask) -> tuple[Floats, float]:
    """A turned flange: fans of light over fine rings, bolt holes, a bore and a stamped number."""
    disc(alpha, (0.0, 0.0), 0.9, 255)
    away, angle = np.hypot(ACROSS, DOWN), np.arctan2(DOWN, ACROSS)
    lines = np.interp(away, np.linspace(0, 1.5, 400), rng.standard_normal(400))
    fans = np.cos(2 * (angle - float(rng.uniform(0, np.pi)))) ** 2
    steel = float(rng.uniform(0.46, 0.6)) * (1 + 0.07 * lines + 0.35 * (fans - 0.5))
    steel *= 1 + 0.03 * _spots(rng, 2, 2) + 0.05 * _spots(rng, 70, 70)
    for rim in (0.84, 0.56, 0.33):  # a step catches the light on one side
        steel *= 1 + 0.35 * np.sin(angle - 0.8) * np.exp(-(((away - rim) / 0.018) ** 2))
    surface[:] = steel[..., None] * np.array((0.97, 1.0, 1.03), np.float32)
    rust = np.clip(_spots(rng, 55, 55) + 0.6 * _spots(rng, 7, 7) - 2.0, 0, 1)[..., None] * 0.6
    surface += rust * (np.array((0.42, 0.24, 0.13), np.float32) - surface)
    bolts, turn = int(rng.integers(5, 9)), float(rng.uniform(0, 1))
    for number in range(bolts):
        at = turn + 2 * np.pi * number / bolts
        place = (0.7 * float(np.cos(at)), 0.7 * float(np.sin(at)))
        disc(surface, place, 0.115, (0.28, 0.28, 0.29), 0.03)
        disc(alpha, place, 0.09, 0)
    _print(surface, f"DN{rng.integers(20, 90)}", (-0.17, 0.5), 1.1, (0.2, 0.2, 0.21))
    disc(surface, (0.0, 0.0), 0.3, (0.22, 0.22, 0.23), 0.04)
    disc(alpha, (0.0, 0.0), 0.26, 0)
    return surface.astype(np.float32), float(rng.uniform(0.12, 0.2))


MATERIALS: dict[str, Product] = {"carton": _carton, "board": _board, "flange": _flange}


def _print(
    surface: Floats,
    text: str,
    place: tuple[float, float],
    size: float,
    ink: tuple[float, float, float],
) -> None:
    """Print letters with soft edges, the baseline's left end at `place`."""
    x, y = to_pixels([place])[0] // 16
    letters = np.zeros(surface.shape[:2], np.uint8)
    thick = max(1, round(2.4 * size))
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(letters, text, (int(x), int(y)), font, size, 255, thick, cv2.LINE_AA)
    share = (letters / np.float32(255))[..., None]
    surface += share * (np.array(ink, np.float32) - surface)
