"""Stores of frames that are not square: pixels of two sizes, and layers of a third."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from flawcast.selection.metrics import mae, sample_diversity, ssim
from flawcast.storage import SampleSet, SampleStore
from tests.generators.backbones.layers.drawn_clips import SIDE, STEP, draw_clip
from tests.storage.examples import sample_set
from tests.storage.layered_sets import layered_set

TALL, ODD, LARGE = (170, 96), (177, 301), (540, 960)  # (H, W)
PAST, FUTURE, KEEP = 6, 6, 3


def pixel_set(size: tuple[int, int], seed: int = 0, **about: Any) -> SampleSet:
    """A drawn clip at a size, with masks of its part; futures are the reference, shifted."""
    frames, _ = draw_clip(PAST + FUTURE)
    levels = np.zeros(frames.shape[:3], np.uint8)
    for time, mask in enumerate(levels):
        mask[14 : 14 + SIDE, 4 + STEP * time : 4 + STEP * time + SIDE] = 128
        mask[20:28, 10 + STEP * time : 18 + STEP * time] = 255
    whole = (size[1], size[0])
    frames = np.stack([cv2.resize(one, whole, interpolation=cv2.INTER_CUBIC) for one in frames])
    levels = np.stack([cv2.resize(one, whole, interpolation=cv2.INTER_NEAREST) for one in levels])
    reference = frames[PAST:]
    shifts = (0, 3, -5)
    videos = np.stack([np.roll(reference, shift, axis=2) for shift in shifts])
    masks = np.stack([np.roll(levels[PAST:], shift, axis=2) for shift in shifts])
    base = sample_set(seed)
    diversity = sample_diversity(videos).astype(np.float32)
    given = {
        "past": PAST,
        "future": FUTURE,
        "keep": KEEP,
        "samples": KEEP,
        "label": "jam",
        "clip_name": f"{size[1]}x{size[0]}.mkv",
        "settings": json.dumps({"masks": {"kind": "drawn", "id": "drawn-0"}}),
    }
    return replace(
        base,
        videos=videos,
        indices=[0, 1, 2],
        keypoints=np.zeros((KEEP, FUTURE, 60), np.float32),
        mae=mae(videos, reference).astype(np.float32),
        past=frames[:PAST],
        reference=reference,
        source=frames[0],
        ssim=ssim(videos, reference).astype(np.float32),
        diversity=diversity,
        apd=float(diversity.mean()),
        masks=masks,
        valid=np.ones(masks.shape, bool),
        provenance=replace(base.provenance, **{**given, **about}),
    )


def store_of_sizes(folder: Path, *sizes: tuple[int, int], large: bool = False) -> SampleStore:
    """A store with a set of pixels of each size, and, if asked for, one of layers at 960x540."""
    store = SampleStore.open(folder, "a")
    for seed, size in enumerate(sizes):
        store.commit(pixel_set(size, seed))
    if large:
        store.commit(layered_set(9, masks=True, size=LARGE, label="layers"))
    return store
