"""Samples read from a store instead of being made."""

import numpy as np
import torch

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import StoreError
from flawcast.configs.set_settings import SetSettings
from flawcast.flows.uplift.data import Material, Videos
from flawcast.flows.uplift.detectors.sights import Sight, shown
from flawcast.generators.clips.frames import to_video
from flawcast.storage import SampleSetDataset, SampleStore


def store_reading(store: str) -> tuple[ClipSettings, int, int]:
    """How a store's clips were read, and its P and F; clips read the same way have the same ids.

    Raises:
        StoreError: If the store holds no samples, or samples of several kinds.
    """
    rows = SampleStore.open(store).query().select(["settings", "past", "future"]).to_pylist()
    if not rows:
        raise StoreError(f"store {store}: expected samples, found none; generate some")
    readings = {
        (SetSettings.parse(row["settings"]).clips, int(row["past"]), int(row["future"]))
        for row in rows
    }
    if len(readings) > 1:
        horizons = sorted({f"{past}-{future}" for _, past, future in readings})
        raise StoreError(
            f"store {store}: expected samples of one horizon and one way to read clips, found "
            f"{len(readings)} (horizons {', '.join(horizons)}); name a store with one"
        )
    read, past, future = readings.pop()
    if read is None:
        raise StoreError(
            f"store {store}: expected rows that say how clips were read, found others; "
            "name a store of `flawcast generate`"
        )
    return read, past, future


def read_samples(
    store: str, material: Material, future: int, see: Sight = shown, where: str | None = None
) -> Videos:
    """Read samples of training clips, except those made with the help of a scored clip.

    Args:
        store: The store.
        material: The real clips.
        future: F.
        see: What a detector sees of a video.
        where: A condition for the samples; None for all.

    Raises:
        StoreError: If there are none.
    """
    dataset = SampleSetDataset(
        SampleStore.open(store, snapshot=True),
        where=f"future = {future}" if where is None else f"future = {future} and ({where})",
        fields=("video",),
        on_test="leave_out",
        test_clips=material.scored.clips,
    )
    chosen = [index for index, label in enumerate(dataset.labels) if label in material.names]
    if not chosen:
        raise StoreError(f"store {store}: expected samples of training clips, found none")
    rows = [dataset.rows[index] for index in chosen]
    return Videos(
        torch.stack([see(to_video(dataset[index]["video"])) for index in chosen]),
        np.array([material.names.index(row["label"]) for row in rows]),
        tuple(row["clip_id"] for row in rows),
        tuple(row["source_clip_id"] for row in rows),
        tuple((row["mode"], row["forecaster"]) for row in rows),
        tuple(row["sample_id"] for row in rows),
    )
