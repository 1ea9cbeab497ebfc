"""Self-made pairs: one part at two poses on one background, and its true motion at every pixel."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.adapt_settings import PastedPoses
from flawcast.generators.training.self_made.objects import Scenery, Stock

Image = NDArray[np.uint8]
Matrix = NDArray[np.float64]

CANONICAL = 64  # side of a part's picture for the loss
POINTS = 96  # of a part, at which its motion is compared


@dataclass(frozen=True)
class PairBatch:
    """B pairs. Coordinates have the outer edges of a picture at -1 and 1.

    Args:
        source: Frames, (B, 3, h, w) in [0, 1].
        source_plate: Their backgrounds as they are known, (B, 3, h, w).
        driving: Frames of the same parts elsewhere, (B, 3, h, w).
        driving_plate: Likewise.
        clean: The driving frames without change of light, noise and cover, (B, 3, h, w).
        behind: What those show behind their part, (B, 3, h, w).
        alpha: Where the part is in them, (B, 1, h, w).
        source_alpha: Where it is in the source frames, (B, 1, h, w).
        part: The parts, RGBA with colours multiplied by alpha, (B, 4, c, c).
        source_pose: Affine motion from the part's own picture to the source frame, (B, 2, 3).
        driving_pose: Likewise, to the driving frame.
        points: Points on the part, in its own picture, (B, n, 2).
    """

    source: Tensor
    source_plate: Tensor
    driving: Tensor
    driving_plate: Tensor
    clean: Tensor
    behind: Tensor
    alpha: Tensor
    source_alpha: Tensor
    part: Tensor
    source_pose: Tensor
    driving_pose: Tensor
    points: Tensor

    def to(self, device: torch.device) -> "PairBatch":
        """The same on another device."""
        return PairBatch(**{name: value.to(device) for name, value in vars(self).items()})


def draw_batch(
    stock: Stock, count: int, side: int, poses: PastedPoses, rng: np.random.Generator
) -> PairBatch:
    """Draw pairs.

    Args:
        stock: Parts and backgrounds, for square frames of this side.
        count: B.
        side: h = w.
        poses: How wide poses are, and what else varies.
        rng: All randomness.
    """
    drawn = [_pair(stock.draw(rng), side, poses, rng) for _ in range(count)]
    return PairBatch(
        **{name: torch.from_numpy(np.stack([one[name] for one in drawn])) for name in drawn[0]}
    )


def _pair(
    scenery: Scenery, side: int, poses: PastedPoses, rng: np.random.Generator
) -> dict[str, NDArray[np.float32]]:
    """One pair, by the names of `PairBatch`."""
    pixels = _coloured(scenery.part.pixels, poses, rng)
    own = pixels.shape[1::-1]
    first = _pose(own, side, scenery.aspect, poses, rng)
    near = _pose(own, side, scenery.aspect, poses, rng, first)
    second = near if rng.random() < poses.near else _pose(own, side, scenery.aspect, poses, rng)
    shots = [_shot(scenery, pixels, pose, side, poses, rng) for pose in (first, second)]
    alpha = pixels[..., 3] > 127
    rows, columns = np.nonzero(alpha if alpha.any() else pixels[..., 3] >= pixels[..., 3].max())
    some = rng.integers(len(rows), size=POINTS)
    points = np.stack([columns[some], rows[some]], -1).astype(np.float32)
    points = np.asarray((points + 0.5) * 2 / np.array(own, np.float32) - 1, np.float32)
    canonical = cv2.resize(pixels, (CANONICAL, CANONICAL), interpolation=cv2.INTER_AREA)
    source, driving = shots
    return {
        "source": _planes(source.frame),
        "source_plate": _planes(source.plate),
        "driving": _planes(driving.frame),
        "driving_plate": _planes(driving.plate),
        "clean": _planes(driving.clean),
        "behind": _planes(driving.behind),
        "alpha": driving.alpha[None],
        "source_alpha": source.alpha[None],
        "part": _planes(_unit(np.asarray(canonical, np.uint8))),
        "source_pose": _normalised(first, own, side),
        "driving_pose": _normalised(second, own, side),
        "points": points,
    }


@dataclass(frozen=True)
class _Shot:
    """One frame of a pair, floats in [0, 1], and what is behind its part."""

    frame: NDArray[np.float32]
    plate: NDArray[np.float32]
    clean: NDArray[np.float32]
    behind: NDArray[np.float32]
    alpha: NDArray[np.float32]


def _shot(
    scenery: Scenery,
    pixels: Image,
    pose: Matrix,
    side: int,
    poses: PastedPoses,
    rng: np.random.Generator,
) -> _Shot:
    """Paste the part at a pose, with what else a real frame has: clutter, light, noise, shake."""
    behind = _unit(scenery.shown)
    if scenery.others and rng.random() < poses.clutter:
        other = scenery.others[int(rng.integers(len(scenery.others)))]
        place = _pose(other.pixels.shape[1::-1], side, scenery.aspect, poses, rng)
        behind, _ = _pasted(behind, other.pixels, place)
    shadow = _shadow(pixels, pose, side, rng) if rng.random() < poses.shadow else None
    behind = behind if shadow is None else np.asarray(behind * shadow[..., None], np.float32)
    clean, alpha = _pasted(behind, pixels, pose)
    frame = _covered(clean, rng) if rng.random() < poses.cover else clean
    plate = _unit(scenery.plate)
    if rng.random() < poses.shake:
        plate = _shaken(plate, poses.shake_way * side, rng)
    tint = 1 + 0.3 * poses.light * rng.uniform(-1, 1, 3)
    light = (tint * (1 + poses.light * rng.uniform(-1, 1))).astype(np.float32)
    noise = np.float32(poses.noise * rng.uniform())
    frame = frame * light + noise * rng.standard_normal(frame.shape, np.float32)
    return _Shot(np.clip(frame, 0, 1), plate, clean, behind, alpha)


def _pose(
    own: tuple[int, ...],
    side: int,
    aspect: float,
    poses: PastedPoses,
    rng: np.random.Generator,
    near: Matrix | None = None,
) -> Matrix:
    """A pose, from pixels of the part's picture to those of the frame, (2, 3).

    Args:
        own: Width and height of the part's picture.
        side: Side of the frame.
        aspect: Width over height of the real frame.
        poses: How wide.
        rng: Draws it.
        near: A pose that this one is near to, as in the next frames; None for any.
    """
    angle = np.radians(poses.turn) * rng.uniform(-1, 1) * (1 if near is None else 0.15)
    size = np.exp(np.log(poses.scale) * rng.uniform(-1, 1) * (1 if near is None else 0.15))
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = size * np.array([[cosine, -sine / aspect], [sine * aspect, cosine]])
    middle = (np.array(own, np.float64) - 1) / 2
    if near is None:
        away = poses.beside * np.array(own)
        at = rng.uniform(-away, side - 1 + away)
        linear = turn
    else:
        at = near[:, :2] @ middle + near[:, 2] + 0.12 * side * rng.uniform(-1, 1, 2)
        linear = turn @ near[:, :2]
    return np.concatenate([linear, (at - linear @ middle)[:, None]], 1)


def _pasted(
    behind: NDArray[np.float32], pixels: Image, pose: Matrix
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A part over a background: the frame, and the part's alpha."""
    side = behind.shape[0]
    moved = cv2.warpAffine(pixels, pose, (side, side), flags=cv2.INTER_LINEAR)
    layer = _unit(np.asarray(moved, np.uint8))
    alpha = layer[..., 3]
    return np.asarray(behind * (1 - alpha[..., None]) + layer[..., :3], np.float32), alpha


def _shadow(
    pixels: Image, pose: Matrix, side: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """How bright a soft shadow beside the part leaves the background, (side, side)."""
    shifted = pose.copy()
    shifted[:, 2] += rng.uniform(-0.05, 0.05, 2) * side
    alpha = cv2.warpAffine(np.ascontiguousarray(pixels[..., 3]), shifted, (side, side))
    soft = cv2.GaussianBlur(alpha.astype(np.float32) / 255, (0, 0), float(rng.uniform(1, 4)))
    return np.asarray(1 - rng.uniform(0.1, 0.5) * soft, np.float32)


def _covered(frame: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The frame with a bar or a patch before everything."""
    side = frame.shape[0]
    mask = np.zeros((side, side), np.float32)
    if rng.random() < 0.5:
        ends = rng.integers(0, side, 4).tolist()
        cv2.line(mask, ends[:2], ends[2:], 1.0, int(rng.integers(2, 8)), cv2.LINE_AA)
    else:
        centre, axes = rng.integers(0, side, 2).tolist(), rng.integers(4, side // 6, 2).tolist()
        cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1, cv2.LINE_AA)
    share = mask[..., None] * np.float32(rng.uniform(0.4, 1))
    colour = rng.uniform(0, 1, 3).astype(np.float32)
    return np.asarray(frame * (1 - share) + colour * share, np.float32)


def _shaken(
    plate: NDArray[np.float32], most: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """A plate a little beside its place, as from a camera that is not quite still."""
    shift = np.concatenate([np.eye(2), rng.uniform(-most, most, (2, 1))], 1)
    size = plate.shape[1::-1]
    return np.asarray(cv2.warpAffine(plate, shift, size, borderMode=cv2.BORDER_REPLICATE))


def _coloured(pixels: Image, poses: PastedPoses, rng: np.random.Generator) -> Image:
    """The part in a slightly other light, as its side of the line may have."""
    gain = 1 + poses.light * rng.uniform(-1, 1)
    changed = pixels.astype(np.float32)
    changed[..., :3] = np.minimum(changed[..., :3] * gain, changed[..., 3:])
    return changed.round().astype(np.uint8)


def _unit(image: Image) -> NDArray[np.float32]:
    """Gray levels as floats in [0, 1]."""
    return np.asarray(image / np.float32(255), np.float32)


def _planes(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w, C) -> (C, h, w)."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32)


def _normalised(pose: Matrix, own: Sequence[int], side: int) -> NDArray[np.float32]:
    """A pose in pixels as one between coordinates with outer edges at -1 and 1."""
    inner = np.array(own, np.float64) / 2
    linear = pose[:, :2] * inner / (side / 2)
    at_middle = pose[:, :2] @ (inner - 0.5) + pose[:, 2]
    return np.concatenate([linear, ((at_middle + 0.5) * 2 / side - 1)[:, None]], 1).astype(
        np.float32
    )
