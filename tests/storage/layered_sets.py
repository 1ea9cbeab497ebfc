"""Sample sets that are kept as layers, drawn by the `layers` renderer from a drawn clip."""

import json
from dataclasses import replace
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers import Observation, appearance, observe
from flawcast.generators.backbones.layers.stored import from_arrays, to_arrays
from flawcast.storage import Layers, SampleSet
from tests.generators.backbones.layers.drawn_clips import Image, draw_clip
from tests.storage.examples import sample_set

PAST, FUTURE, KEPT, SAMPLES = 6, 5, 3, 6
MASKS = json.dumps({"masks": {"kind": "drawn", "id": "drawn-0"}})


@cache
def observed(height: int, width: int) -> tuple[Image, Observation]:
    """A drawn clip of a size, and what it shows."""
    frames, _ = draw_clip()
    frames = np.stack(
        [cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC) for one in frames]
    )
    return frames, observe(frames)


def source_arrays(
    height: int = 64, width: int = 96, noise: float = 1.5, masks: bool = False
) -> dict[str, NDArray[Any]]:
    """A source frame as plain arrays."""
    frames, seen = observed(height, width)
    arrays = to_arrays(appearance(seen, frames, [3, 6]))
    arrays["noise"] = np.full(8, noise)
    levels = np.zeros((height, width), np.uint8)
    levels[height // 3 : height // 2, width // 4 : width // 2] = 255
    return to_arrays(from_arrays(arrays), levels=levels if masks else None)


def layers(seed: int = 0, masks: bool = False, size: tuple[int, int] = (64, 96)) -> Layers:
    """What the videos of a set are drawn from: the part's own way, moved a little."""
    _, seen = observed(*size)
    rng = np.random.default_rng(seed)
    way = seen.keypoints[PAST : PAST + FUTURE].reshape(1, FUTURE, -1, 6)
    keypoints = np.repeat(way, KEPT, 0)
    keypoints[..., :2] += rng.normal(0, 0.05, (KEPT, FUTURE, 1, 2)).astype(np.float32)
    return Layers(
        renderer="layers",
        size=size,
        source=source_arrays(*size, masks=masks),
        keypoints=keypoints.reshape(KEPT, FUTURE, -1),
        seeds=rng.integers(0, 2**62, KEPT),
    )


def layered_set(
    seed: int = 0, masks: bool = False, size: tuple[int, int] = (64, 96), **changes: Any
) -> SampleSet:
    """A set with N = 6, K = 3, P = 6, F = 5 whose videos are drawn when they are read."""
    frames, _ = observed(*size)
    drawn = layers(seed, masks, size)
    rng = np.random.default_rng(seed)
    futures = np.repeat(drawn.keypoints[:1], SAMPLES, 0)
    plain = sample_set(seed)
    futures[plain.indices] = drawn.keypoints
    with_masks = {"masks": drawn.masks(), "valid": drawn.valid(), "settings": MASKS}
    values: dict[str, Any] = {
        "videos": drawn.videos(),
        "keypoints": futures + np.float32(rng.normal(0, 1e-3)),
        "future": FUTURE,
        "reference": frames[PAST : PAST + FUTURE],
        "source": frames[3],
        "backbone": "layers",
        **(with_masks if masks else {}),
        **changes,
    }
    made = sample_set(seed, **values)
    return replaced_past(made, frames[:PAST])


def replaced_past(made: SampleSet, past: Image) -> SampleSet:
    """The same set with other observed frames."""
    return replace(made, past=past, provenance=replace(made.provenance, past=len(past)))


def pixel_set(seed: int = 0, **changes: Any) -> SampleSet:
    """The same set, kept as pixels."""
    made = layered_set(seed, **changes)

    arrays: dict[str, Any] = {"videos": np.asarray(made.videos)}
    if made.masks is not None:
        arrays |= {"masks": np.asarray(made.masks), "valid": np.asarray(made.valid)}
    return replace(made, **arrays)
