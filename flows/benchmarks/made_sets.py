"""Sample sets that benchmarks store: real videos, and scores that nobody looks at."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawcast.storage import SampleSet, SetProvenance


def made_set(
    number: int,
    videos: Any,
    keypoints: NDArray[np.float32],
    frames: Sequence[NDArray[np.uint8]],
    scores: NDArray[np.float32],
    **about: Any,
) -> SampleSet:
    """A set of given videos.

    Args:
        number: Says its id, and its APD.
        videos: The kept videos, pixels or layers, (K, F, H, W, 3).
        keypoints: Of these videos, (K, F, D).
        frames: The past and the reference, RGB, (F, H, W, 3) each.
        scores: What the set says for each error and diversity, (K,).
        about: Fields of its provenance; the others say nothing.
    """
    past, reference = frames
    values = {
        "clip_id": "clip",
        "clip_name": "clip",
        "label": "",
        "source_clip_id": "clip",
        "source_clip_name": "clip",
        "forecaster": "none",
        "weights_id": "none",
        "settings_id": "none",
        "run_id": "benchmark",
        "version": "0",
        "split": None,
        "onset": None,
        "window_start": 0,
        "past": len(past),
        "future": len(reference),
        "mode": "reconstruction",
        "source_frame": 0,
        "backbone": "none",
        "settings": "{}",
        "seed": 0,
        "samples": len(scores),
        "keep": len(scores),
        "fps": 25.0,
    }
    return SampleSet(
        id=f"set-{number:016x}",
        videos=videos,
        indices=list(range(len(scores))),
        keypoints=keypoints,
        mae=scores,
        hold_mae=0.0,
        past=past,
        reference=reference,
        source=past[0],
        ssim=scores,
        diversity=scores,
        apd=float(number),
        coherence=1.0,
        provenance=SetProvenance(**(values | about)),
    )
