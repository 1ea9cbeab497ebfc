"""Real clips as a torch dataset whose items look like those of stored samples."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.generators.clips.frames import to_tensor
from flawcast.generators.clips.masks import levels_of
from flawcast.generators.clips.reading import Clip, iter_clips, read_masks

FIELDS = ("video", "label")


class ClipDataset(Dataset[dict[str, Any]]):
    """One item per clip of a folder: a dict with the chosen fields of its last frames.

    Fields are those of `storage.SampleSetDataset`: "video" float32 (F, 3, H, W) in [0, 1], "mask"
    uint8 (F, H, W), "valid" bool (F, H, W), "label", "clip_id", "sample_id" (the clip's id, as
    "real-..."), "set_id", and "provenance" with the same keys. The constructor decodes all clips.

    Args:
        folder: Folder of clips.
        settings: How clips are read. Use the settings of the samples to mix both in a batch.
        frames: F, the number of frames from the end of each clip, where its defect is; shorter
            clips are refused.
        split: "train" or "test" to use only clips of that split; None for all clips.
        fields: Names of the fields of an item.
        transform: Function that is applied to each video.

    Raises:
        ClipError: If the folder holds no usable clips of that split, or if `fields` includes
            "mask" and a clip has no masks.
    """

    def __init__(
        self,
        folder: Path | str,
        settings: ClipSettings,
        frames: int,
        split: str | None = None,
        fields: Sequence[str] = FIELDS,
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.fields, self.frames, self._transform = tuple(fields), frames, transform
        self.clips = list(iter_clips(folder, settings, frames, split=split))
        self._masks: list[Tensor] = []
        if "mask" in self.fields:
            for clip in self.clips:
                grey = read_masks(clip.entry, settings, len(clip.frames))
                if grey is None:
                    raise ClipError(
                        f"{clip.name}: expected masks, it has none; leave out the field"
                    )
                self._masks.append(torch.from_numpy(levels_of(grey)[-frames:]))

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {field: self._field(field, index) for field in self.fields}

    @property
    def labels(self) -> list[str]:
        """The label of each item."""
        return [clip.label for clip in self.clips]

    @property
    def clip_ids(self) -> frozenset[str]:
        """Ids and names of the clips; a dataset of samples uses them to exclude leaks."""
        return frozenset(name for clip in self.clips for name in (clip.id, clip.name))

    def _field(self, field: str, index: int) -> Any:
        """One value of an item."""
        clip = self.clips[index]
        if field == "video":
            video = to_tensor(clip.frames[-self.frames :])
            return self._transform(video) if self._transform else video
        if field == "mask":
            return self._masks[index]
        if field == "valid":
            return torch.ones(self.frames, *clip.frames.shape[1:3], dtype=torch.bool)
        return _provenance(clip, self.frames) if field == "provenance" else _columns(clip)[field]


def _columns(clip: Clip) -> dict[str, Any]:
    """Values of a real clip for the columns that samples have."""
    name = clip.id.replace("clip-", "real-")
    return {
        "label": clip.label,
        "clip_id": clip.id,
        "sample_id": name,
        "set_id": name,
        "mae": 0.0,
        "diversity": 0.0,
        "mode": "real",
    }


def _provenance(clip: Clip, frames: int) -> dict[str, Any]:
    """Provenance of a real clip, with the keys that samples have."""
    columns = _columns(clip)
    return {
        "sample_id": columns["sample_id"],
        "set_id": columns["set_id"],
        "clip_id": clip.id,
        "clip_name": clip.name,
        "source_clip_id": clip.id,
        "source_clip_name": clip.name,
        "source_frame": 0,
        "window_start": len(clip.frames) - frames,
        "index": 0,
        "mode": columns["mode"],
        "backbone": "",
        "forecaster": "",
        "weights_id": "",
        "settings_id": "",
        "seed": 0,
        "run_id": "",
        "version": "",
    }
