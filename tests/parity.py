"""Reference numbers of the published models: their weights, made again, and their inputs."""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True)
class Parity:
    """One model's reference: its sizes, its state dicts' keys, its inputs and outputs."""

    folder: Path
    facts: dict[str, Any]
    truth: dict[str, NDArray[Any]]

    @staticmethod
    def load(shared: Path, name: str) -> "Parity":
        """Read a model's reference from the shared folder."""
        folder = shared / "parity"
        facts = json.loads((folder / f"{name}.json").read_text())
        with np.load(folder / f"{name}.npz") as truth:
            return Parity(folder, facts, dict(truth))

    def state(self, part: str) -> dict[str, torch.Tensor]:
        """The state dict of a sub-network, as the reference was given it."""
        spec = importlib.util.spec_from_file_location("parity_fill", self.folder / "fill.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        seed = int(self.truth["seed"])
        return {
            key: torch.as_tensor(np.asarray(module.fill_value(key, tuple(shape), seed)))
            for key, (shape, _) in self.facts["state_dicts"][part].items()
        }

    def frame(self, name: str) -> torch.Tensor:
        """An input frame, (3, H, W) in [0, 1]."""
        return torch.from_numpy(self.truth[name]).permute(2, 0, 1).float() / 255
