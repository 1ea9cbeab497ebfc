"""Training pixels of each still and of its moved frames, made once and stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from flawcast.configs.files import whole_file
from flawcast.configs.identity import content_id, derive_seed
from flawcast.flows.uplift.images.frames import Frame, as_frame, augment, move
from flawcast.flows.uplift.images.scorer import Pixels, features, look
from flawcast.flows.uplift.images.stills import Still
from flawcast.generators.backbones import MotionBackbone

KINDS = ("real", "real augmented", "moved", "moved augmented")


@dataclass(frozen=True)
class Table:
    """The features, mask and training pixels of one still.

    Args:
        features: The features of its pixels, for judging it, (H, W, C).
        mask: True on the defect, (H, W).
        pixels: Training pixels by kind, one entry per picture.
    """

    features: NDArray[np.float32]
    mask: NDArray[np.bool_]
    pixels: dict[str, list[Pixels]]


@dataclass(frozen=True)
class Tables:
    """Makes and stores tables.

    Args:
        folder: Folder for the tables, one file per still.
        backbone: The motion model that moves stills.
        motions: Keypoints of the driving clips.
        copies: Frames made of each still, and augmented copies of each picture.
        seed: Seeds all random choices.
    """

    folder: Path
    backbone: MotionBackbone
    motions: list[torch.Tensor]
    copies: int
    seed: int

    def read_or_make(self, still: Still) -> Table:
        """Read a still's table, or make it."""
        name = content_id("still", name=still.name, copies=self.copies, seed=self.seed)
        path = self.folder / f"{name}.safetensors"
        if not path.is_file():
            arrays = self._make(still)
            with whole_file(path) as draft:
                save_file(arrays, draft)
        return _read(path)

    def _make(self, still: Still) -> dict[str, NDArray[np.generic]]:
        """All arrays of a still by name."""
        rng = np.random.default_rng(derive_seed(self.seed, "pixels", still.name))
        real = as_frame(still)
        moved = move(still, self.motions, self.backbone, self.copies, self.seed)
        own = features(still.picture)
        changed = [look(real, own, rng)]
        changed += [_see(augment(real, rng), rng) for _ in range(self.copies)]
        pixels = {
            "real": changed[:1],
            "real augmented": changed,
            "moved": [_see(frame, rng) for frame in moved],
            "moved augmented": [_see(augment(frame, rng), rng) for frame in moved],
        }
        arrays: dict[str, NDArray[np.generic]] = {
            "features": own.astype(np.float16),
            "mask": still.mask,
        }
        for kind in KINDS:
            for number, item in enumerate(pixels[kind]):
                arrays[f"{kind}/{number}/features"] = item.features
                arrays[f"{kind}/{number}/defective"] = item.defective
        return arrays


def _see(frame: Frame, rng: np.random.Generator) -> Pixels:
    """Pixels of a frame to learn from."""
    return look(frame, features(frame.picture), rng)


def _read(path: Path) -> Table:
    """A table from its file."""
    arrays = load_file(path)
    mask = arrays["mask"]
    pixels = {kind: list(_pixels(arrays, kind, bool(mask.any()))) for kind in KINDS}
    return Table(arrays["features"].astype(np.float32), mask, pixels)


def _pixels(arrays: dict[str, NDArray[np.generic]], kind: str, bad: bool) -> Iterator[Pixels]:
    """The entries of one kind."""
    number = 0
    while f"{kind}/{number}/features" in arrays:
        entry = f"{kind}/{number}"
        yield Pixels(
            arrays[f"{entry}/features"].astype(np.float32),
            arrays[f"{entry}/defective"].astype(bool),
            bad,
        )
        number += 1
