"""Sample sets that look like a line's, made in a moment: futures are the reference, moved a bit."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from flawcast.generators.line.clips import STATES, LineClip, draw_line
from flawcast.selection.metrics import mae, sample_diversity, ssim
from flawcast.storage import SampleSet, SampleStore
from tests.storage.examples import sample_set

PAST, KEEP = 12, 5


def drawn_set(clip: LineClip, seed: int, masks: str | None = None, **about: Any) -> SampleSet:
    """A set of a drawn clip with K = 5 and N = 6; fields of its provenance by name."""
    rng = np.random.default_rng(seed)
    past, reference = clip.frames[:PAST], clip.frames[PAST:]
    shifts = rng.integers(-6, 7, (KEEP, 2))
    videos = np.stack([np.roll(reference, shift, (1, 2)) for shift in shifts])
    errors = mae(videos, reference).astype(np.float32)
    order = np.argsort(errors)
    videos, errors = videos[order], errors[order]
    base = sample_set(seed)
    maps: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    if masks:
        levels = np.where(clip.part_masks[PAST:], 128, 0).astype(np.uint8)
        maps = {"masks": np.stack([np.roll(levels, shift, (1, 2)) for shift in shifts[order]])}
        maps["valid"] = np.ones(maps["masks"].shape, bool)
        settings = {"masks": {"kind": masks, "id": "masks-0"}}
    given = {
        "clip_name": f"{clip.name}.mkv",
        "clip_id": f"clip-{seed:016x}",
        "label": clip.label,
        "past": PAST,
        "future": len(reference),
        "keep": KEEP,
        "settings": json.dumps(settings),
        "source_clip_name": f"{clip.name}.mkv",
        "onset": clip.onset,
    }
    diversity = sample_diversity(videos).astype(np.float32)
    return replace(
        base,
        videos=videos,
        indices=list(range(KEEP)),
        keypoints=np.zeros((6, len(reference), 5), np.float32),
        mae=np.append(errors, np.float32(1)),
        past=past,
        reference=reference,
        source=clip.frames[0],
        ssim=ssim(videos, reference).astype(np.float32),
        diversity=diversity,
        apd=float(diversity.mean()),
        provenance=replace(base.provenance, **{**given, **about}),
        **maps,
    )


def drawn_store(
    path: Path, states: tuple[str, ...] = STATES, size: int = 64, masks: str | None = None
) -> SampleStore:
    """A store with one set for each state, every other one in transfer mode."""
    store = SampleStore.open(path, "a")
    modes = ("reconstruction", "transfer")
    for number, clip in enumerate(draw_line(1, seed=3, frames=24, size=size, states=states)):
        store.commit(drawn_set(clip, number, masks, mode=modes[number % 2], run_id="run-a"))
    return store
