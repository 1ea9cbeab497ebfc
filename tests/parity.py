"""Reference numbers of the published backbones: their weights, made again, and their inputs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.generators.backbones import MotionBackbone, build_backbone
from tests.filling import backbone_value
from tests.paths import FIXTURES


@dataclass(frozen=True)
class Parity:
    """One model's reference: its sizes, its state dicts' keys, its inputs and outputs."""

    facts: dict[str, Any]
    truth: dict[str, NDArray[Any]]

    @staticmethod
    def load(name: str, folder: Path = FIXTURES / "parity") -> "Parity":
        """Read a model's reference from a folder."""
        facts = json.loads((folder / f"{name}.json").read_text())
        with np.load(folder / f"{name}.npz") as truth:
            return Parity(facts, dict(truth))

    def state(self, part: str) -> dict[str, torch.Tensor]:
        """The state dict of a sub-network, as the reference was given it."""
        seed = int(self.truth["seed"])
        state = {
            key: torch.as_tensor(np.asarray(backbone_value(key, shape, seed)))
            for key, (shape, _) in self.facts["state_dicts"][part].items()
        }
        for place, rule in self.facts.get("fill_exceptions", {}).items():
            network, _, key = place.partition("/")
            if network != part:
                continue
            if rule.startswith("times "):
                state[key] *= float(rule.removeprefix("times "))
            else:  # "[...] + 0.1 * fill"
                base, _, _ = rule.partition(" + 0.1 * fill")
                state[key] = torch.tensor(json.loads(base)) + 0.1 * state[key]
        return state

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
