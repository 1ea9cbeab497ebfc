"""Samples read from a store instead of being made."""

import numpy as np
import torch

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import StoreError
from flawcast.configs.set_settings import SetSettings
from flawcast.flows.uplift.data import Material, Videos, shown
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


def read_samples(store: str, material: Material, future: int) -> Videos:
    """Read samples of training clips, except those made with the help of a scored clip.

    Raises:
        StoreError: If there are none.
    """
    opened = SampleStore.open(store, snapshot=True)
    rows = SampleSetDataset(
        opened,
        where=f"future = {future}",
        fields=("label",),
        on_test="leave_out",
        test_clips=material.scored.clips,
    ).rows
    rows = [row for row in rows if row["label"] in material.names]
    if not rows:
        raise StoreError(f"store {store}: expected samples of training clips, found none")
    videos = [opened.open_array(row["set_id"], "videos")[row["rank"]] for row in rows]
    return Videos(
        torch.stack([shown(np.asarray(video, np.uint8)) for video in videos]),
        np.array([material.names.index(row["label"]) for row in rows]),
        tuple(row["clip_id"] for row in rows),
        tuple(row["source_clip_id"] for row in rows),
        tuple((row["mode"], row["forecaster"]) for row in rows),
    )
