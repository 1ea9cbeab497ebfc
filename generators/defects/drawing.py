"""Drawing a sketch onto a part: it takes over light, grain and blur, and its contrast is set."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.vision import cv2
from flawcast.generators.defects.contrast import contrast_to_noise, noise_around
from flawcast.generators.defects.host import Host, Image
from flawcast.generators.defects.layer import Box, smallest_alpha
from flawcast.generators.defects.membrane import membrane
from flawcast.generators.defects.placement import Placement
from flawcast.generators.defects.sketch import SPAN, Floats, Sketch

OVERSAMPLED = 3  # samples per pixel along a side, averaged
PIXEL_BLUR = 0.5  # pixels, of an average over a pixel and what resampling adds
STRONG = 0.8  # quantile of a defect's changes that counts as its change
BESIDE = 2  # pixels around a defect that may belong to its mask by their blur
RIM = 3  # pixels that mix part and background
MARGIN = 6  # pixels of the box around the defect, for its blur
RELIEF = 0.9  # brightness that a slope of 1 towards the lamp gains
DARKEST, LIGHTEST = -0.94, 0.85  # tones: no gap is quite black, no flank quite white
WHITE = 245.0  # gray level of a tone of 1
WEAKEST, STRONGEST = 0.01, 1.8  # multiples of a sketch's own tone: more would not look like it
HALVINGS = 18


@dataclass(frozen=True)
class Drawn:
    """A drawn defect in its box of the source frame.

    Args:
        pixels: RGBA, colours multiplied by alpha, (h, w, 4).
        cover: [0, 255], (h, w).
        hole: [0, 255], (h, w).
        onset: [0, 1], (h, w).
        box: In the source frame.
        contrast: Contrast-to-noise, measured.
    """

    pixels: Image
    cover: Image
    hole: Image
    onset: Floats
    box: Box
    contrast: float


def draw(
    host: Host,
    sketch: Sketch,
    placement: Placement,
    contrast: float | None,
    rng: np.random.Generator,
) -> Drawn:
    """Draw a sketch onto a part.

    The defect changes the part's light relative to what is there, so texture, light and grain of
    the part stay. Where the sketch is opaque the texture gives way to a membrane between the
    pixels around. Everything is blurred as the host is, and gets the host's grain.

    Args:
        host: The part.
        sketch: The defect.
        placement: Where it lies.
        contrast: What its contrast-to-noise should be; None for the sketch's own.
        rng: Draws grain.
    """
    box = _box(sketch, placement, host)
    left, top, right, bottom = box
    fields = _sampled(sketch, placement, box)
    part = host.part[top:bottom, left:right]
    matte = cv2.GaussianBlur(part.astype(np.float32), (0, 0), 0.6) * part
    cover = fields.cover * part
    hole = fields.hole * _widened(
        part, RIM
    )  # no rim of mixed pixels may stay where a piece is gone
    mask = cover > 0.5
    before = host.picture[top:bottom, left:right]
    shade = _shading(fields.relief, host)
    tone = _blurred(fields.tone + shade[..., None], host.blur) * matte[..., None]
    opaque = _blurred(fields.opaque, host.blur) * matte
    opened = _opened(host, box, before, hole)
    bare = _without_texture(opened, opaque, part, host.grain, rng)
    grain = rng.standard_normal(before.shape, dtype=np.float32) * np.float32(host.grain)
    cover = np.maximum(cover, _seen(before, toned(bare, tone), mask) * part)
    mask = cover > 0.5
    full_mask = np.zeros(host.part.shape, bool)
    full_mask[top:bottom, left:right] = mask
    gain = 1.0
    if contrast is not None and mask.any():
        wanted = contrast * noise_around(host.picture, full_mask, host.part)
        gain = _gain(before, opened, bare, tone, mask, wanted)
    after = toned(_surface(opened, bare, gain), gain * tone)
    after += grain * np.clip(np.abs(gain * tone), 0, 1)
    pixels = smallest_alpha(opened.round().astype(np.uint8), after)
    changed = host.picture.copy()
    changed[top:bottom, left:right] = np.clip(after, 0, 255).round().astype(np.uint8)
    return Drawn(
        pixels,
        np.round(cover * 255).astype(np.uint8),
        np.round(hole * 255).astype(np.uint8),
        np.clip(fields.onset, 0, 1),
        box,
        contrast_to_noise(host.picture, changed, full_mask, host.part),
    )


def _blurred(values: Floats, blur: float) -> Floats:
    """A field as blurred as its host; averaging samples to pixels has done a part of it."""
    rest = np.sqrt(max(0.0, blur**2 - PIXEL_BLUR**2))
    return values if rest < 0.2 else np.asarray(cv2.GaussianBlur(values, (0, 0), rest), np.float32)


def _widened(part: NDArray[np.bool_], pixels: int) -> NDArray[np.uint8]:
    """A mask, wider by so many pixels, 0 or 1."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1,) * 2)
    return np.asarray(cv2.dilate(part.astype(np.uint8), kernel), np.uint8)


def toned(base: Floats, tone: Floats) -> Floats:
    """A surface made darker or lighter: (h, w, 3), tones as in `Sketch`."""
    tone = np.clip(tone, DARKEST, LIGHTEST)
    darker = base * (1 + np.minimum(tone, 0))
    return np.asarray(darker + np.maximum(tone, 0) * np.maximum(WHITE - base, 0), np.float32)


def sampled_cover(host: Host, sketch: Sketch, placement: Placement) -> tuple[Floats, Floats, Box]:
    """Where a placed sketch covers the part, and since when: (h, w) each, and their box."""
    box = _box(sketch, placement, host)
    left, top, right, bottom = box
    fields = _sampled(sketch, placement, box)
    return fields.cover * host.part[top:bottom, left:right], np.clip(fields.onset, 0, 1), box


def _box(sketch: Sketch, placement: Placement, host: Host) -> Box:
    """Pixels that a sketch may reach, cut to the frame."""
    rows, columns = np.nonzero(np.abs(sketch.tone).max(-1) + sketch.cover + abs(sketch.relief) > 0)
    step = 2 * SPAN / len(sketch.cover)
    corners = np.array(
        [
            [x * step - SPAN, y * step - SPAN]
            for x in (columns.min(), columns.max() + 1)
            for y in (rows.min(), rows.max() + 1)
        ]
    )
    there = corners @ placement.matrix[:, :2].T + placement.matrix[:, 2]
    height, width = host.size
    margin = MARGIN + round(2 * host.blur)
    low = np.clip(np.floor(there.min(0)) - margin, 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(there.max(0)) + margin, low + 1, [width, height]).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _sampled(sketch: Sketch, placement: Placement, box: Box) -> Sketch:
    """The sketch's fields in a box of the source frame."""
    left, top, right, bottom = box
    nodes = len(sketch.cover)
    to_plane = np.diag([2 * SPAN / nodes, 2 * SPAN / nodes, 1.0])
    to_plane[:2, 2] = SPAN / nodes - SPAN
    to_samples = np.array(
        [
            [OVERSAMPLED, 0, OVERSAMPLED * (0.5 - left) - 0.5],
            [0, OVERSAMPLED, OVERSAMPLED * (0.5 - top) - 0.5],
        ]
    )
    placed = np.concatenate([placement.matrix, [[0, 0, 1]]])
    matrix = to_samples @ placed @ to_plane
    size = (right - left) * OVERSAMPLED, (bottom - top) * OVERSAMPLED

    def sampled(values: Floats, border: int = cv2.BORDER_CONSTANT) -> Floats:
        large = cv2.warpAffine(values, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
        small = cv2.resize(large, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.float32)

    scale = np.float32(np.sqrt(abs(np.linalg.det(placement.matrix[:, :2]))))
    return Sketch(
        sampled(sketch.cover),
        sampled(sketch.tone),
        sampled(sketch.relief) * scale,
        sampled(sketch.opaque),
        sampled(sketch.hole),
        sampled(sketch.onset, cv2.BORDER_REPLICATE),
        sketch.anchor,
    )


def _shading(relief: Floats, host: Host) -> Floats:
    """Change of brightness by the slopes of a relief, which is in pixels, under the host's lamp."""
    across = cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=0.125)
    facing = -(across * host.light[0] + down * host.light[1])
    return np.clip(RELIEF * facing, -0.75, 0.6).astype(np.float32)


def _opened(host: Host, box: Box, before: Image, hole: Floats) -> Floats:
    """The part with what is behind it in its holes, (h, w, 3)."""
    if not hole.any():
        return before.astype(np.float32)
    left, top, right, bottom = box
    if host.background is not None:
        behind = host.background[top:bottom, left:right].astype(np.float32)
    else:
        around = _around(host, box)
        behind = around if around is not None else 0.35 * before.astype(np.float32)
    return np.asarray(before * (1 - hole[..., None]) + behind * hole[..., None], np.float32)


def _around(host: Host, box: Box) -> Floats | None:
    """What the frame shows beside the part, continued below it, (h, w, 3); None if it is full."""
    left, top, right, bottom = box
    reach = max(right - left, bottom - top)
    y0, x0 = max(0, top - reach), max(0, left - reach)
    rows, columns = slice(y0, bottom + reach), slice(x0, right + reach)
    outside = cv2.erode((~host.part[rows, columns]).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if not outside.any():
        return None
    filled = membrane(host.picture[rows, columns].astype(np.float32), outside)
    return filled[top - y0 : bottom - y0, left - x0 : right - x0]


def _without_texture(
    base: Floats,
    opaque: Floats,
    part: NDArray[np.bool_],
    grain: float,
    rng: np.random.Generator,
) -> Floats:
    """The surface with its texture replaced by a membrane, as far as the defect is opaque."""
    reach = opaque > 0.02
    known = part & ~cv2.dilate(reach.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    if not reach.any() or not known.any():
        return base
    smooth = membrane(base, known)
    smooth += rng.standard_normal(base.shape, dtype=np.float32) * np.float32(grain)
    return np.asarray(base + opaque[..., None] * (smooth - base), np.float32)


def _seen(before: Image, after: Floats, mask: NDArray[np.bool_]) -> Floats:
    """How much pixels beside a defect show of it by their blur, (h, w): 0.5 is half of its change.

    A crack that is thinner than a pixel has a mask, too: where a person sees it.
    """
    if not mask.any():
        return np.zeros(mask.shape, np.float32)
    change = np.abs(after - before).max(-1)
    strong = max(1.0, float(np.quantile(change[mask], STRONG)))
    near = cv2.dilate(mask.astype(np.uint8), np.ones((2 * BESIDE + 1,) * 2, np.uint8))
    return np.asarray(np.clip(change / strong, 0, 1) * near, np.float32)


def _surface(opened: Floats, bare: Floats, gain: float) -> Floats:
    """The surface below a tone: a weak defect leaves a part of the texture, too."""
    return np.asarray(opened + min(1.0, gain) * (bare - opened), np.float32)


def _gain(
    before: Image,
    opened: Floats,
    bare: Floats,
    tone: Floats,
    mask: NDArray[np.bool_],
    wanted: float,
) -> float:
    """The multiple of a defect at which the change within the mask is as strong as wanted.

    Args:
        before: The part, (h, w, 3).
        opened: The same with its hole.
        bare: The same without its texture.
        tone: What the defect changes, (h, w, 3).
        mask: Where it is, (h, w).
        wanted: Root mean square of the change, gray levels.
    """
    old, tones = before[mask].astype(np.float32), tone[mask]
    whole, smooth = opened[mask], bare[mask]
    low, high = WEAKEST, STRONGEST
    for _ in range(HALVINGS):
        middle = float(np.sqrt(low * high))
        change = toned(_surface(whole, smooth, middle), middle * tones) - old
        if np.sqrt((change**2).mean()) < wanted:
            low = middle
        else:
            high = middle
    return float(np.sqrt(low * high))
