"""Reference numbers of the published models: their weights, made again, and their inputs."""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.generators.backbones import MotionBackbone, build_backbone


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
        """The state dict of a sub-network, as the reference was given it.

        Of the exceptions to the rule, those that are more than a factor are left to the caller.
        """
        spec = importlib.util.spec_from_file_location("parity_fill", self.folder / "fill.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        seed = int(self.truth["seed"])
        factors = {
            place: float(factor.removeprefix("times "))
            for place, factor in self.facts.get("fill_exceptions", {}).items()
            if factor.startswith("times ")
        }
        return {
            key: torch.as_tensor(np.asarray(module.fill_value(key, tuple(shape), seed)))
            * factors.get(f"{part}/{key}", 1)
            for key, (shape, _) in self.facts["state_dicts"][part].items()
        }

    def model(self, backbone: str) -> MotionBackbone:
        """A backbone of the official sizes with these weights, loaded strictly."""
        params = self.facts["model_params"]
        sizes = {key: value for key, value in params.items() if "discrim" not in key}
        model = build_backbone(backbone, sizes).eval()
        for part, network in model.named_children():
            network.load_state_dict(self.state(part), strict=True)
        return model

    def frame(self, name: str) -> torch.Tensor:
        """An input frame, (3, H, W) in [0, 1]."""
        return torch.from_numpy(self.truth[name]).permute(2, 0, 1).float() / 255
