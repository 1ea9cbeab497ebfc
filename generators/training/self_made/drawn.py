"""Parts and backgrounds that are drawn: many shapes, textures, sizes and belts, free to use."""

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.identity import derive_seed
from flawcast.generators.line.materials import MATERIALS, grain
from flawcast.generators.line.products import KINDS, TEXTURE
from flawcast.generators.training.self_made.objects import PartPicture, Scenery

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
Rng = np.random.Generator

PARTS, BACKGROUNDS = 2000, 400  # different ones; each is drawn when it is first needed
FINE = 4  # times its size at which an outline is drawn
SMALLEST, LARGEST = 0.1, 0.62  # longer side of a part over that of the frame
OF_THE_LINE = 0.12  # share of the parts that are products of the built-in line


class DrawnStock:
    """Sceneries without any clip.

    Args:
        side: Side of the square frames.
        seed: Decides all parts and backgrounds.
    """

    def __init__(self, side: int, seed: int) -> None:
        self.side, self.seed = side, seed
        self._part = lru_cache(maxsize=PARTS)(self._drawn_part)
        self._background = lru_cache(maxsize=BACKGROUNDS)(self._drawn_background)

    def draw(self, rng: Rng) -> Scenery:
        """A part before a background, and further ones that may lie about."""
        part = self._part(int(rng.integers(PARTS)))
        others = [self._part(int(rng.integers(PARTS)))]
        plate, texture, region = self._background(int(rng.integers(BACKGROUNDS)))
        shown = plate
        if region is not None and rng.random() < 0.7:  # the belt has gone on
            way = int(rng.integers(self.side))
            moved = np.roll(texture, way, axis=int(rng.integers(2)))
            shown = np.where(region[..., None], moved, plate)
            plate = np.where(region[..., None], _flat(texture), plate)
        return Scenery(part, plate, shown, others, 1.0)

    def _drawn_part(self, number: int) -> PartPicture:
        """The part of this number."""
        rng = np.random.default_rng(derive_seed(self.seed, "part", number))
        longer = self.side * float(rng.uniform(SMALLEST, LARGEST))
        ratio = float(np.exp(-abs(rng.normal(0, 0.45))))
        size = (max(6, round(longer)), max(6, round(longer * ratio)))
        if rng.random() < 0.5:
            size = size[::-1]
        return PartPicture(_product(rng, size) if rng.random() < OF_THE_LINE else _part(rng, size))

    def _drawn_background(self, number: int) -> tuple[Image, Image, NDArray[np.bool_] | None]:
        """The background of this number, its belt's texture, and where that runs, if it does."""
        rng = np.random.default_rng(derive_seed(self.seed, "background", number))
        plate = _background(rng, self.side)
        if rng.random() < 0.55:
            return plate, plate, None
        texture = _surface(rng, (self.side, self.side))
        region = np.ones((self.side, self.side), bool)
        low, high = np.sort(rng.uniform(0, 1, 2)) * self.side
        if high - low > self.side / 4:
            region[: round(low)], region[round(high) :] = False, False
            region = region if rng.random() < 0.5 else region.T
        return np.where(region[..., None], texture, plate), texture, region


def _part(rng: Rng, size: tuple[int, int]) -> Image:
    """A part of any shape and texture, RGBA: (h, w, 4)."""
    height, width = size
    alpha = _outline(rng, size)
    picture = _surface(rng, size)
    if rng.random() < 0.75:
        picture = _marked(rng, picture)
    surface = picture.astype(np.float32) / 255
    inside = cv2.distanceTransform((alpha > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    round_off = np.clip(inside / (0.02 * (height + width) + 1), 0, 1)  # darker or lighter rims
    surface *= (1 + rng.uniform(-0.5, 0.25) * (1 - round_off))[..., None]
    light = rng.uniform(-0.35, 0.35, 2)
    across, down = np.linspace(-1, 1, width)[None], np.linspace(-1, 1, height)[:, None]
    surface *= (1 + light[0] * across + light[1] * down)[..., None].astype(np.float32)
    surface = np.clip(surface, 0, 1) * alpha[..., None]
    return (np.dstack([surface, alpha]) * 255).round().astype(np.uint8)


def _product(rng: Rng, size: tuple[int, int]) -> Image:
    """A product of the built-in line, RGBA."""
    kinds = {**KINDS, **MATERIALS}
    kind = kinds[sorted(kinds)[int(rng.integers(len(kinds)))]]
    surface = np.empty((TEXTURE, TEXTURE, 3), np.float32)
    surface[:] = _colour(rng)
    alpha = np.zeros((TEXTURE, TEXTURE), np.uint8)
    surface, _ = kind(rng, surface, alpha)
    share = (alpha / np.float32(255))[..., None]
    whole = np.dstack([np.clip(surface, 0, 1) * share, share])
    rows, columns = np.nonzero(alpha > 8)
    cut = whole[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    longer = max(size)
    scale = longer / max(cut.shape[:2])
    small = (max(5, round(cut.shape[1] * scale)), max(5, round(cut.shape[0] * scale)))
    shrunk = cv2.resize(cut, small, interpolation=cv2.INTER_AREA)
    return (shrunk * 255).round().astype(np.uint8)


def _outline(rng: Rng, size: tuple[int, int]) -> Floats:
    """A matte with soft edges, (h, w) in [0, 1]."""
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    large = np.zeros((size[0] * FINE, size[1] * FINE), np.uint8)
    cv2.fillPoly(large, [_in_pixels(shape(rng), large.shape)], 255)
    if rng.random() < 0.15:  # a hole
        centre = (rng.uniform(0.35, 0.65, 2) * large.shape[::-1]).astype(int).tolist()
        reach = max(2, int(rng.uniform(0.08, 0.22) * min(large.shape)))
        cv2.circle(large, centre, reach, 0, -1)
    small = cv2.resize(large, size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    soft = float(rng.uniform(0, 0.7))
    return np.asarray(cv2.GaussianBlur(small, (0, 0), soft) if soft > 0.2 else small, np.float32)


def _in_pixels(outline: NDArray[np.float64], size: tuple[int, ...]) -> NDArray[np.int32]:
    """An outline in [-1, 1] as pixels of a picture, after it was made to fill it."""
    low, high = outline.min(0), outline.max(0)
    unit = (outline - low) / np.maximum(high - low, 1e-6)
    return (1 + unit * (np.array(size[1::-1]) - 3)).astype(np.int32)


def _blob(rng: Rng) -> NDArray[np.float64]:
    """A smooth closed curve."""
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radius = np.ones(90)
    for wave in range(2, 7):
        radius += rng.normal(0, 0.35 / wave) * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    radius = np.maximum(radius, 0.25)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)


def _superellipse(rng: Rng) -> NDArray[np.float64]:
    """Between a diamond, an ellipse and a box."""
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    power = 2 / float(np.exp(rng.uniform(np.log(1.2), np.log(10))))
    cosine, sine = np.cos(angle), np.sin(angle)
    curve = [np.sign(cosine) * np.abs(cosine) ** power, np.sign(sine) * np.abs(sine) ** power]
    return np.stack(curve, -1)


def _polygon(rng: Rng) -> NDArray[np.float64]:
    """Three to eight corners, even or not."""
    count = int(rng.integers(3, 9))
    even = np.arange(count) * 2 * np.pi / count + rng.uniform(0, 2 * np.pi)
    angle = np.sort(even + rng.normal(0, rng.choice([0, 0.25]), count))
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def _turned(rng: Rng) -> NDArray[np.float64]:
    """A turned part or a bottle from the side: steps of width along its axis."""
    places = np.sort(rng.uniform(-1, 1, int(rng.integers(2, 6))))
    places = np.concatenate([[-1], places, [1]])
    widths = rng.uniform(0.25, 1, len(places) - 1)
    right = [(w, y) for a, b, w in zip(places, places[1:], widths, strict=False) for y in (a, b)]
    curve = np.array(right + [(-w, y) for w, y in reversed(right)])
    return curve if rng.random() < 0.5 else curve[:, ::-1]


def _toothed(rng: Rng) -> NDArray[np.float64]:
    """A wheel with teeth, or a star."""
    teeth = int(rng.integers(5, 14))
    angle = np.linspace(0, 2 * np.pi, 2 * teeth, endpoint=False)
    radius = np.where(np.arange(2 * teeth) % 2, float(rng.uniform(0.5, 0.9)), 1.0)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)


SHAPES: tuple[Callable[[Rng], NDArray[np.float64]], ...] = (
    _blob,
    _superellipse,
    _superellipse,
    _polygon,
    _turned,
    _toothed,
)


def _colour(rng: Rng) -> Floats:
    """A colour: mostly grey, metal, wood or cardboard, seldom bright."""
    if rng.random() < 0.55:
        grey = float(rng.uniform(0.08, 0.95))
        return np.clip(grey + rng.normal(0, 0.03, 3), 0, 1).astype(np.float32)
    return rng.uniform(0.02, 1, 3).astype(np.float32)


def _surface(rng: Rng, size: tuple[int, int]) -> Image:
    """A texture of one material, RGB: (h, w, 3)."""
    height, width = size
    relief = np.zeros(size, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        spots = np.exp(rng.uniform(np.log(1.5), np.log(max(height, width, 8)), 2))
        strength = float(np.exp(rng.uniform(np.log(0.008), np.log(0.18))))
        relief += strength * grain(rng, size, (float(spots[0]), float(spots[1])))
    across, down = np.arange(width)[None], np.arange(height)[:, None]
    if rng.random() < 0.35:  # stripes
        angle = float(rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)]))
        along = across * np.cos(angle) + down * np.sin(angle)
        period = float(np.exp(rng.uniform(np.log(3), np.log(30))))
        wave = np.sin(2 * np.pi * along / period + rng.uniform(0, 6))
        wave = np.sign(wave) if rng.random() < 0.4 else wave
        relief += (float(rng.uniform(0.02, 0.25)) * wave).astype(np.float32)
    if rng.random() < 0.2:  # a weave
        period = float(rng.uniform(3, 12))
        weave = np.sin(2 * np.pi * across / period) * np.sin(2 * np.pi * down / period)
        relief += (float(rng.uniform(0.03, 0.2)) * weave).astype(np.float32)
    first, second = _colour(rng), _colour(rng)
    picture = first * (1 + relief[..., None])
    if rng.random() < 0.3:  # patches of another colour
        fine = float(rng.uniform(0.15, 0.6)) * max(height, width)
        share = grain(rng, size, (max(2.0, fine), max(2.0, fine))) > rng.uniform(0.2, 1.2)
        picture = np.where(share[..., None], second * (1 + relief[..., None]), picture)
    return np.asarray((np.clip(picture, 0, 1) * 255).round(), np.uint8)


def _marked(rng: Rng, surface: Image) -> Image:
    """Print, labels, bolts and lines on a surface."""
    height, width = surface.shape[:2]
    picture = np.ascontiguousarray(surface)
    for _ in range(int(rng.integers(1, 6))):
        ink = tuple(float(value) for value in 255 * _colour(rng))
        x, y = int(rng.integers(width)), int(rng.integers(height))
        kind = int(rng.integers(4))
        reach = max(1, int(rng.uniform(0.05, 0.3) * min(height, width)))
        if kind == 0:
            cv2.circle(picture, (x, y), reach, ink, -1, cv2.LINE_AA)
        elif kind == 1:
            far = (x + int(rng.integers(-2, 3)) * reach, y + int(rng.integers(-2, 3)) * reach)
            cv2.line(picture, (x, y), far, ink, int(rng.integers(1, 3)), cv2.LINE_AA)
        elif kind == 2:
            far = (x + reach * int(rng.integers(1, 4)), y + reach)
            cv2.rectangle(picture, (x, y), far, ink, -1)
        else:
            word = "".join(rng.choice(list("ABEHKMRSTX0379"), 3))
            size = float(rng.uniform(0.2, 0.5)) * min(height, width) / 30 + 0.15
            place = (x - width // 3, y)
            cv2.putText(picture, word, place, cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA)
    return picture


def _background(rng: Rng, side: int) -> Image:
    """A place: a floor or a belt, rails, and things that stand about."""
    picture = _surface(rng, (side, side)).astype(np.float32) / 255
    for _ in range(int(rng.integers(0, 4))):  # rails, walls, edges of a table
        low, high = np.sort(rng.integers(0, side, 2))
        bar = _surface(rng, (side, side)).astype(np.float32) / 255
        if rng.random() < 0.5:
            picture[low : high // 3 + low] = bar[low : high // 3 + low]
        else:
            picture[:, low : high // 3 + low] = bar[:, low : high // 3 + low]
    for _ in range(int(rng.integers(0, 4))):
        longer = float(rng.uniform(0.06, 0.45)) * side
        thing = _part(rng, (max(6, round(longer)), max(6, round(longer * rng.uniform(0.4, 1)))))
        angle = float(rng.uniform(0, 360))
        middle = (thing.shape[1] / 2, thing.shape[0] / 2)
        turn = np.asarray(cv2.getRotationMatrix2D(middle, angle, 1.0), np.float64)
        place = np.concatenate([turn[:, :2], turn[:, 2:] + rng.uniform(-0.1, 1, (2, 1)) * side], 1)
        moved = cv2.warpAffine(thing, place, (side, side)).astype(np.float32) / 255
        picture = picture * (1 - moved[..., 3:]) + moved[..., :3]
    light = rng.uniform(-0.3, 0.3, 2)
    line = np.linspace(-1, 1, side)
    lit = picture * (1 + light[0] * line[None] + light[1] * line[:, None])[..., None]
    picture = lit.astype(np.float32)
    if rng.random() < 0.5:
        soft = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 1.5)))
        picture = np.asarray(soft, np.float32)
    return np.asarray((np.clip(picture, 0, 1) * 255).round(), np.uint8)


def _flat(texture: Image) -> Image:
    """What is left of a moving belt's texture in the median of many frames."""
    return np.broadcast_to(texture.mean((0, 1)).round().astype(np.uint8), texture.shape)
