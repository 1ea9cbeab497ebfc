"""Features for the distance between sets of videos: V-JEPA's if its weights are given."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from flawcast.configs.feature_names import FILTERED_FEATURES
from flawcast.configs.identity import hash_files
from flawcast.configs.settings import Settings
from flawcast.generators.clips.frames import to_tensor
from flawcast.generators.video_features import VJEPA, filtered_features


class Features(Settings):
    """Where the features of videos come from.

    Args:
        encoder: Published checkpoint of V-JEPA's encoder; None for features without a download.
        probe: Published checkpoint of its attentive probe.
    """

    encoder: Path | None = None
    probe: Path | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> "Features":
        """Check that the encoder and the probe are given together."""
        if (self.encoder is None) != (self.probe is None):
            raise ValueError("V-JEPA needs its encoder and its probe")
        return self

    @property
    def described_as(self) -> str:
        """Their name, in tables.

        Raises:
            ModelError: If a checkpoint cannot be read.
        """
        if self.encoder is None or self.probe is None:
            return FILTERED_FEATURES
        return _vjepa(self.encoder, self.probe).described_as

    @property
    def id(self) -> str:
        """Name and hash of everything that decides their values."""
        files = [file for file in (self.encoder, self.probe) if file is not None]
        return f"{self.described_as} {hash_files(files)}" if files else self.described_as

    def absolute(self) -> "Features":
        """The same with absolute paths, for workers in other folders."""
        whole = {
            name: file and file.absolute()
            for name, file in (("encoder", self.encoder), ("probe", self.probe))
        }
        return self.model_copy(update=whole)

    def compute(self, video: NDArray[np.uint8]) -> list[float]:
        """Features of one video (F, H, W, 3), at least two frames."""
        clip = to_tensor(video)[None]
        if self.encoder is None or self.probe is None:
            vectors = filtered_features(clip)
        else:
            vectors = _vjepa(self.encoder, self.probe)(clip)
        values: list[float] = vectors[0].tolist()
        return values


@lru_cache(maxsize=1)
def _vjepa(encoder: Path, probe: Path) -> VJEPA:
    """The model, read once per process."""
    return VJEPA(encoder, probe)
