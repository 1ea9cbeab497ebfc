"""The `layers` model: a source's appearance, and its frames at other keypoints."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ClipError
from flawcast.generators.backbones.layers.background import enlarged
from flawcast.generators.backbones.layers.belt import Belt
from flawcast.generators.backbones.layers.composite import (
    CutOut,
    lay_over,
    make_cut_out,
    nearest_cut_out,
)
from flawcast.generators.backbones.layers.keypoints import Groups, Keypoints, centres
from flawcast.generators.backbones.layers.mattes import cut_out, soft_matte
from flawcast.generators.backbones.layers.motion import dense_motion, driven_box
from flawcast.generators.backbones.layers.noise import FreshNoise, Noise
from flawcast.generators.backbones.layers.observation import Observation, background_at
from flawcast.generators.backbones.layers.parts import carried
from flawcast.generators.backbones.layers.tracking import Track
from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]

FIELD_SIDE = 64  # short side of the deformation that goes with rendered frames
OUTSIDE = 2.0  # of a deformation: beyond the source's edges, where nothing is seen
PART, COVERED = 100, 25  # of 255: most of a pixel is the part's, or a little of it


@dataclass(frozen=True)
class LayerAppearance:
    """What is needed to draw a source: kilobytes more than its pixels.

    Args:
        plate: RGB, (H, W, 3).
        belt: Moving texture, if any.
        layers: Cut-outs of each layer, the main source first.
        groups: Layer of each keypoint, (K,).
        keypoints: Vector of the main source frame, (D,).
        belt_start: Position of the belt in the main source frame, (2,).
        noise: Strength of the sensor noise.
    """

    plate: Image
    belt: Belt | None
    layers: tuple[tuple[CutOut, ...], ...]
    groups: Groups
    keypoints: Keypoints
    belt_start: NDArray[np.float64]
    noise: Noise

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.plate.shape[0], self.plate.shape[1]


@dataclass(frozen=True)
class LayerRendering:
    """Drawn frames.

    Args:
        frames: RGB, (F, H, W, 3).
        alpha: What parts cover, (F, H, W) in [0, 255].
        deformation: Where in the main source each pixel comes from, (F, h, w, 2), float32, outer
            edges at -1 and 1. Where no part is it is the identity, and `OUTSIDE` where the main
            source has a part instead: the background there comes from other frames.
    """

    frames: Image
    alpha: Image
    deformation: NDArray[np.float32]


def appearance(
    observation: Observation, frames: Image, sources: Sequence[int] | None = None
) -> LayerAppearance:
    """Cut the parts out of source frames.

    Args:
        observation: What the clip shows.
        frames: The clip, RGB, (T, H, W, 3).
        sources: Frames to cut from, the main one first; None for the best frame of each part.

    Raises:
        ClipError: If no part was followed.
    """
    _first_part(observation)
    size = frames.shape[1:3]
    main = observation.tracks[0].source if sources is None else sources[0]
    layers = []
    for layer, track in enumerate(observation.tracks):
        group = np.repeat(observation.groups == layer, 6)
        masks = enlarged(carried(track.mask, track), size)
        cuts = []
        for source in [track.source] if sources is None else sources:
            if track.visible[source] < 0.05 or not masks[source].any():
                continue
            background = background_at(observation, source)
            alpha = soft_matte(frames[source], background, masks[source])
            pixels = cut_out(frames[source], background, alpha)
            own = observation.keypoints[source][group]
            cuts.append(make_cut_out(pixels, own, float(track.visible[source])))
        layers.append(tuple(cuts))
    start = np.zeros(2) if observation.belt is None else observation.belt.positions[main]
    return LayerAppearance(
        observation.plate.image,
        observation.belt,
        tuple(layers),
        observation.groups,
        observation.keypoints[main],
        start,
        observation.noise,
    )


def best_sources(
    observation: Observation, count: int, among: Sequence[int] | None = None
) -> list[int]:
    """Frames to cut the first part from: its best one, then others spread over its way.

    Args:
        observation: What the clip shows.
        count: How many at most.
        among: The frames to choose from; None for all.

    Raises:
        ClipError: If no part was followed through those frames.
    """
    track = _first_part(observation)
    usable = np.nonzero(track.tracked & (track.visible > 0.3))[0]
    usable = usable if among is None else np.intersect1d(usable, among)
    if not len(usable):
        raise ClipError(
            "sources: expected a frame that shows the part, none of the frames to choose from "
            "does; allow more frames"
        )
    chosen = [int(usable[np.abs(usable - track.source).argmin()])]
    places = centres(observation.keypoints, observation.groups == 0, (2, 2))
    while len(chosen) < min(count, len(usable)):
        gaps = np.linalg.norm(places[usable, None] - places[chosen][None], axis=-1).min(-1)
        chosen.append(int(usable[int(gaps.argmax())]))
    return chosen


def render(
    appearance: LayerAppearance,
    keypoints: Keypoints,
    belt_at: NDArray[np.float64] | None = None,
    generator: np.random.Generator | None = None,
) -> LayerRendering:
    """Draw a source moved to each keypoint vector.

    Args:
        appearance: What the source looks like.
        keypoints: (F, D).
        belt_at: Position of the belt in each frame, (F, 2); None to let it follow the first part,
            or where it does not, to go on at its own speed.
        generator: Draws fresh sensor noise; None for frames without.
    """
    height, width = appearance.size
    count = len(keypoints)
    frames = np.empty((count, height, width, 3), np.uint8)
    alphas = np.empty((count, height, width), np.uint8)
    scale = FIELD_SIDE / min(height, width)
    grid = max(1, round(height * scale)), max(1, round(width * scale))
    fields = np.empty((count, *grid, 2), np.float32)
    hidden = _covered_in_source(appearance, grid)
    pictures = drawn(appearance, keypoints, range(count), belt_at, generator)
    for index, (frame, alpha) in enumerate(pictures):
        frames[index], alphas[index] = frame, alpha
        fields[index] = _deformation(appearance, keypoints[index], alpha, grid)
        small = cv2.resize(alpha, grid[::-1], interpolation=cv2.INTER_AREA)
        fields[index][hidden & (small <= PART)] = OUTSIDE
    return LayerRendering(frames, alphas, fields)


def drawn(
    appearance: LayerAppearance,
    keypoints: Keypoints,
    wanted: Sequence[int],
    belt_at: NDArray[np.float64] | None = None,
    generator: np.random.Generator | None = None,
    cuts_at: Callable[[int], Sequence[Sequence[CutOut]]] | None = None,
) -> Iterator[tuple[Image, Image]]:
    """Draw some frames of a video, the same as if all were drawn: (H, W, 3), and alpha (H, W).

    Args:
        appearance: As in `render`.
        keypoints: Of the whole video, (F, D).
        wanted: Which frames, ascending.
        belt_at: As in `render`.
        generator: As in `render`.
        cuts_at: The cut-outs that a frame shows; None for the appearance's own in all.
    """
    if belt_at is None and appearance.belt is not None:
        belt_at = belt_with_part(appearance, appearance.belt, keypoints)
    noise = FreshNoise(appearance.noise, appearance.size, generator) if generator else None
    done = 0
    for index in wanted:
        if appearance.belt is None or belt_at is None:
            frame = appearance.plate.copy()
        else:
            frame = appearance.belt.over(appearance.plate, belt_at[index])
        alpha = np.zeros(appearance.size, np.uint8)
        for layer, cuts in enumerate(cuts_at(index) if cuts_at else appearance.layers):
            own = keypoints[index][np.repeat(appearance.groups == layer, 6)]
            if cuts:
                lay_over(frame, alpha, cuts[nearest_cut_out(cuts, own)], own)
        if noise is not None:
            noise.skip(index - done)
            frame, done = noise.add(frame, alpha), index + 1
        yield frame, alpha


def _first_part(observation: Observation) -> Track:
    """The track of the first part.

    Raises:
        ClipError: If there is none.
    """
    if not observation.tracks:
        raise ClipError(
            f"clip: expected a part that can be followed, found none: {observation.failure}"
        )
    return observation.tracks[0]


def belt_with_part(
    appearance: LayerAppearance, belt: Belt, keypoints: Keypoints
) -> NDArray[np.float64]:
    """Belt positions for keypoint vectors: (F, D) -> (F, 2)."""
    if belt.rate is None:
        return appearance.belt_start + np.arange(len(keypoints))[:, None] * belt.velocity
    own = np.concatenate([appearance.keypoints[None], keypoints])
    way = centres(own, appearance.groups == 0, appearance.size)
    return appearance.belt_start + belt.rate * (way[1:] - way[0])


def _deformation(
    appearance: LayerAppearance, driving: Keypoints, alpha: Image, grid: tuple[int, int]
) -> NDArray[np.float32]:
    """Where each pixel comes from in the main source, on a coarse grid, (h, w, 2)."""
    rows, columns = grid
    xs, ys = (np.arange(columns) + 0.5) * 2 / columns - 1, (np.arange(rows) + 0.5) * 2 / rows - 1
    field = np.stack(np.meshgrid(xs, ys), -1).astype(np.float32)
    for layer, cuts in enumerate(appearance.layers):
        if not cuts:
            continue
        group = np.repeat(appearance.groups == layer, 6)
        main, own = appearance.keypoints[group], driving[group]
        left, top, right, bottom = driven_box(cuts[0].keypoints, own, cuts[0].box, appearance.size)
        scale = np.array([columns / appearance.size[1], rows / appearance.size[0]])
        x0, y0 = np.floor(np.array([left, top]) * scale).astype(int)
        x1, y1 = np.ceil(np.array([right, bottom]) * scale).astype(int)
        if x1 <= x0 or y1 <= y0:
            continue
        came = dense_motion(main, own, (int(x0), int(y0), int(x1), int(y1)), grid)
        came = (came + 0.5) * (2 / columns, 2 / rows) - 1
        small = cv2.resize(alpha, (columns, rows), interpolation=cv2.INTER_AREA)
        part = small[y0:y1, x0:x1] > PART
        field[y0:y1, x0:x1][part] = came[part]
    return field


def _covered_in_source(appearance: LayerAppearance, grid: tuple[int, int]) -> NDArray[np.bool_]:
    """Where the main source shows a part, on a coarse grid, (h, w)."""
    height, width = appearance.size
    alpha = np.zeros((height, width), np.uint8)
    for layer, cuts in enumerate(appearance.layers):
        main = appearance.keypoints[np.repeat(appearance.groups == layer, 6)]
        for cut in cuts[:1]:
            if not np.array_equal(cut.keypoints, main):
                continue  # the main source does not show this part
            left, top, right, bottom = cut.box
            inner = slice(max(0, top), bottom), slice(max(0, left), right)
            from_there = slice(max(0, -top), None), slice(max(0, -left), None)
            own = alpha[inner]
            part = cut.pixels[..., 3][from_there][: own.shape[0], : own.shape[1]]
            np.maximum(own, part, out=own)
    return cv2.resize(alpha, grid[::-1], interpolation=cv2.INTER_AREA) > COVERED
