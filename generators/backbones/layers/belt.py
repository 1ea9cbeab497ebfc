"""A belt that moves: its texture in belt coordinates, laid over the plate where that is nearer."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.belt_motion import Floats, Image, Mask, Positions
from flawcast.generators.backbones.layers.mattes import filled
from flawcast.generators.backbones.layers.motion import Box
from flawcast.generators.backbones.layers.vision import cv2

LEAST_GAIN = 0.06  # share of the plate's error that the texture must take away
LEAST_AREA = 0.08  # of the frame: less texture is no belt
PHASES = 3  # steps of a pixel at which the texture is kept, so that drawing copies it only
MOST_PHASES = 9  # kept at once
Step = tuple[int, int, int, int]  # left, top of the cut in whole pixels, and its phases
ZERO = 128  # gray level of a texture that changes nothing


@dataclass(frozen=True)
class Belt:
    """The texture of a moving belt, as a change to the plate.

    The plate holds the light, which stands still; the texture holds the weave, which moves.

    Args:
        texture: `ZERO` + belt minus plate, RGB, (h, w, 3), larger than the frame by the way of the
            belt.
        origin: Where the frame's first pixel lies in the texture at belt position 0, (2,).
        region: Where in the frame the texture is used, (H, W).
        positions: How far the belt is shifted in each frame it was built from, (T, 2), pixels.
        rate: Belt shift per shift of the first part; None where they do not go together.
        phases: Cache of the texture at fractions of a pixel.
    """

    texture: Image
    origin: NDArray[np.float64]
    region: Mask
    positions: Positions
    rate: float | None
    phases: dict[tuple[int, int], Image] = field(default_factory=dict, compare=False, repr=False)

    @property
    def velocity(self) -> NDArray[np.float64]:
        """Median shift per frame, (2,), pixels."""
        return np.median(np.diff(self.positions, axis=0), axis=0)

    def over(self, plate: Image, position: NDArray[np.float64]) -> Image:
        """The plate with the belt at a position: (H, W, 3), (2,) -> (H, W, 3)."""
        height, width = self.region.shape
        return self.at(plate, self.step(position), (0, 0, width, height))

    def step(self, position: NDArray[np.float64]) -> Step:
        """Where the texture is cut for a position (2,): positions of one step look the same."""
        ways = np.ptp(self.positions, axis=0)
        fine = np.where(ways >= ways.max(), PHASES, 1)
        steps = np.round((self.origin - position) * fine).astype(int)
        (left, top), (across, down) = steps // fine, steps % fine
        return int(left), int(top), int(across), int(down)

    def at(self, plate: Image, step: Step, box: Box) -> Image:
        """A box of the plate with the belt: (H, W, 3) -> (h, w, 3), the same as cut from a frame.

        Beyond what was seen the texture is mirrored: a weave goes on as a weave.
        """
        left, top, across, down = step
        rows, columns = slice(box[1], box[3]), slice(box[0], box[2])
        left, top, width, height = left + box[0], top + box[1], box[2] - box[0], box[3] - box[1]
        plate, region = plate[rows, columns], self.region[rows, columns]
        texture = self._phase(across, down)
        inside = min(left, top) >= 0
        inside &= left + width <= texture.shape[1] and top + height <= texture.shape[0]
        if inside:
            shown = texture[top : top + height, left : left + width]
        else:
            shown = _mirrored(texture, left, top, width, height)
        woven = cv2.addWeighted(plate, 1, shown, 1, -ZERO)
        return cv2.copyTo(woven, region.view(np.uint8), plate.copy())

    def _phase(self, across: int, down: int) -> Image:
        """The texture shifted by fractions of a pixel; the last ones used are kept."""
        if (across, down) == (0, 0):
            return self.texture
        if (across, down) not in self.phases:
            if len(self.phases) >= MOST_PHASES:
                self.phases.pop(next(iter(self.phases)))
            shift = np.array([[1, 0, across / PHASES], [0, 1, down / PHASES]])
            size = self.texture.shape[1::-1]
            flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
            border = cv2.BORDER_REFLECT
            shifted = cv2.warpAffine(self.texture, shift, size, flags=flags, borderMode=border)
            self.phases[across, down] = shifted
        return self.phases[across, down]


def _mirrored(texture: Image, left: int, top: int, width: int, height: int) -> Image:
    """A cut of a texture that reaches beyond it, where the texture is mirrored."""
    rows, columns = texture.shape[:2]
    over = (-top, top + height - rows, -left, left + width - columns)
    pad = [max(0, value) for value in over]  # above, below, to the left and to the right
    inner = texture[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)]
    if max(pad[:2]) > inner.shape[0] or max(pad[2:]) > inner.shape[1]:
        there = np.array([[1, 0, left], [0, 1, top]], np.float64)
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        border = cv2.BORDER_REFLECT
        return cv2.warpAffine(texture, there, (width, height), flags=flags, borderMode=border)
    return cv2.copyMakeBorder(inner, *pad, cv2.BORDER_REFLECT)


def build_belt(
    frames: Image, plate: Image, covered: Mask, positions: Positions, part: Positions
) -> Belt | None:
    """Collect the belt's texture in belt coordinates.

    Args:
        frames: RGB, (T, H, W, 3).
        plate: RGB, (H, W, 3).
        covered: Where parts are, (T, H, W).
        positions: How far the belt is shifted in each frame, (T, 2), pixels of these frames.
        part: Centre of the first part, (T, 2), pixels.

    Returns:
        The belt, or None where its texture nowhere beats the plate.
    """
    height, width = covered.shape[1:]
    low, high = positions.min(0), positions.max(0)
    way = np.ceil(high - low)
    size = (int(way[0]) + width, int(way[1]) + height)
    origin = high.copy()
    total, count = np.zeros((size[1], size[0], 3), np.float32), np.zeros(size[::-1], np.float32)
    for frame, hidden, position in zip(frames, covered, positions, strict=True):
        rest, seen = _placed(frame, plate, hidden, origin - position, size)
        total += rest
        count += seen
    plain, woven, looks = np.zeros((3, height, width), np.float32)
    for frame, hidden, position in zip(frames, covered, positions, strict=True):
        rest, seen = _placed(frame, plate, hidden, origin - position, size)
        others = (total - rest) / np.maximum(count - seen, 1)[..., None]  # without this frame
        back = np.array([[1, 0, origin[0] - position[0]], [0, 1, origin[1] - position[1]]])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        texture = cv2.warpAffine(others, back, (width, height), flags=flags)
        own = np.clip(frame.astype(np.float32) - plate, -60, 60)
        plain += np.where(hidden, 0, np.abs(own).mean(-1))
        woven += np.where(hidden, 0, np.abs(own - texture).mean(-1))
        looks += ~hidden
    region = _where_better(plain, woven, looks)
    if region.mean() < LEAST_AREA:
        return None
    mean = (total / np.maximum(count, 1)[..., None]).astype(np.float32)
    texture = _without_holes(mean, count > 0)
    coded = (texture + ZERO).round().clip(0, 255).astype(np.uint8)
    return Belt(coded, origin, region, positions, _rate(positions, part))


def _where_better(plain: Floats, woven: Floats, looks: Floats) -> Mask:
    """Where the texture errs less than the plate, and what such places enclose.

    Args:
        plain: Error of the plate, summed over the frames that show a pixel, (H, W).
        woven: Error with the texture, likewise.
        looks: Number of those frames; 0 where a part always is.
    """
    side = max(5, min(plain.shape) // 16) | 1
    plain, woven, near = (cv2.blur(values, (side, side)) for values in (plain, woven, looks))
    better = (woven < (1 - LEAST_GAIN) * plain).astype(np.uint8)
    unknown = near < 0.5
    joined = filled((better > 0) | unknown)
    pieces = cv2.connectedComponents(joined.astype(np.uint8))[1]
    return (better > 0) | (unknown & np.isin(pieces, np.unique(pieces[better > 0])))


def _placed(
    frame: Image,
    plate: Image,
    hidden: Mask,
    shift: NDArray[np.float64],
    size: tuple[int, ...],
) -> tuple[Floats, Floats]:
    """A frame's texture in belt coordinates, zero where unseen, and where it was seen."""
    there = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    rest = np.clip(frame.astype(np.float32) - plate, -60, 60)
    seen = cv2.warpAffine((~hidden).astype(np.float32), there, size) > 0.99
    placed = cv2.warpAffine(
        rest, there, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return placed * seen[..., None], seen.astype(np.float32)


def _without_holes(texture: Floats, seen: Mask) -> Floats:
    """Copy seen texture into what parts hide, from along the rows: (h, w, 3), (h, w)."""
    result, known = texture.copy(), seen.copy()
    width = seen.shape[1]
    for shift in [
        sign * step for step in range(width // 16, width, width // 16) for sign in (1, -1)
    ]:
        if known.all():
            break
        there = np.roll(seen, shift, axis=1) & ~known
        result[there] = np.roll(texture, shift, axis=1)[there]
        known |= there
    return result


def _rate(positions: Positions, part: Positions) -> float | None:
    """Belt shift per part shift, where one line explains the belt to within a pixel."""
    ways, shifts = part - part.mean(0), positions - positions.mean(0)
    length = float((ways**2).sum())
    if length < len(part):
        return None
    rate = float((ways * shifts).sum() / length)
    error = float(np.sqrt(((shifts - rate * ways) ** 2).sum(-1).mean()))
    return rate if error < max(1.0, 0.03 * float(np.ptp(positions, axis=0).max())) else None
