"""Kept samples as a torch dataset, for training detectors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import zarr
from torch import Tensor
from torch.utils.data import Dataset

from configs.errors import StoreError
from storage.arrays import read_array
from storage.store import SampleStore

SCALARS = ("sample_id", "set_id", "clip_id", "label", "mae", "diversity")


class SampleSetDataset(Dataset[dict[str, Any]]):
    """One item per kept video of the sets that are in the store, or snapshot, when it is made.

    Items are dicts: "video" float32 (F, 3, H, W) in [0, 1], "label", "sample_id", "set_id",
    "clip_id" (split by it, and no clip leaks), "mae" and "diversity". Everything else that the
    store knows of item i is in `rows[i]`.

    Args:
        store: The store or its URL; a snapshot, so that several datasets see the same sets.
        where: SQL condition over the columns of samples; None for all.
        transform: Applied to each video.

    Raises:
        QueryError: If the condition is not valid.
        StoreError: If there is no store or, for an item, its video is damaged.
    """

    def __init__(
        self,
        store: str | Path | SampleStore,
        where: str | None = None,
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self._store = store if isinstance(store, SampleStore) else SampleStore.open(store)
        self._transform = transform
        self.rows: list[dict[str, Any]] = self._store.query(where, rows="samples").to_pylist()
        self._videos: dict[str, zarr.Array[Any]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self.rows[index]
        set_id = row["set_id"]
        if set_id not in self._videos:
            self._videos[set_id] = self._store.open_array(set_id, "videos")
        try:
            frames = read_array(
                self._videos[set_id], "video", row["rank"], row["video_sha256"]
            )  # (F, H, W, 3)
        except StoreError as error:
            raise StoreError(f"{row['sample_id']}: {error}; see `flawcast verify`") from error
        video = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255  # (F, 3, H, W)
        video = self._transform(video) if self._transform else video
        return {"video": video, **{name: row[name] for name in SCALARS}}

    def __getstate__(self) -> dict[str, Any]:
        """Each worker opens the arrays itself."""
        return self.__dict__ | {"_videos": {}}
