"""Small sample sets, made by seed."""

import json
from typing import Any

import numpy as np

from flawcast.storage import SampleSet, SetProvenance


def set_id(seed: int) -> str:
    """Id of the set that a seed makes."""
    return f"set-{seed:016x}"


def sample_set(seed: int = 0, **changes: Any) -> SampleSet:
    """A set with N = 6, K = 3, P = 2, F = 4, H = 8, W = 10, D = 5; equal seeds, equal sets.

    Fields of the provenance are changed by name, too.
    """
    rng = np.random.default_rng(seed)
    mae = rng.random(6).astype(np.float32)
    provenance = {
        "clip_id": f"clip-{seed % 3:016x}",
        "clip_name": f"line's {seed} 'clip' é",
        "label": ("jam", "normal", "slip")[seed % 3],
        "split": "train",
        "onset": None if seed % 2 else 3,
        "window_start": seed,
        "past": 2,
        "future": 4,
        "mode": "reconstruction",
        "source_clip_id": "clip-a",
        "source_clip_name": "a",
        "source_frame": 0,
        "backbone": "fomm",
        "forecaster": "gru_nf",
        "weights_id": "weights-0",
        "settings_id": "settings-0",
        "settings": json.dumps({"past": 2}),
        "seed": seed,
        "samples": 6,
        "keep": 3,
        "fps": 12.5,
        "run_id": "run-0",
        "version": "0.1.0",
    }
    values = {
        "id": set_id(seed),
        "videos": rng.integers(0, 256, (3, 4, 8, 10, 3), np.uint8),
        "indices": np.argsort(mae)[:3].tolist(),
        "keypoints": rng.normal(size=(6, 4, 5)).astype(np.float32),
        "mae": mae,
        "hold_mae": 0.25,
        "past": rng.integers(0, 256, (2, 8, 10, 3), np.uint8),
        "reference": rng.integers(0, 256, (4, 8, 10, 3), np.uint8),
        "source": rng.integers(0, 256, (8, 10, 3), np.uint8),
        "ssim": rng.random(3).astype(np.float32),
        "diversity": rng.random(3).astype(np.float32),
        "apd": float(rng.random()),
        "coherence": float(rng.random()),
    }
    for name, value in changes.items():
        (provenance if name in provenance and name != "past" else values)[name] = value
    return SampleSet(**values, provenance=SetProvenance(**provenance))
