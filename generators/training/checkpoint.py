"""Where a training stands, on disk: weights, optimiser and step, to go on after a kill."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from flawcast.configs.errors import ModelError
from flawcast.configs.files import whole_file
from flawcast.generators.weights import read_weights, write_weights

# What a training changes, by name: each module with its optimiser.
Parts = dict[str, tuple[nn.Module, torch.optim.Optimizer]]


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds the last saved state of one training.

    Args:
        path: The file; its folder must exist.
        key: Names the training (settings and clips); a file of another key is not used.
    """

    path: Path
    key: str

    def save(self, parts: Parts, step: int) -> None:
        """Replace the file in one step by the state after `step` steps."""
        tensors: dict[str, Tensor] = {}
        for part, (model, optimiser) in parts.items():
            for name, value in model.state_dict().items():
                tensors[f"{part}.model.{name}"] = value
            for index, moments in optimiser.state_dict()["state"].items():
                for name, value in moments.items():
                    tensors[f"{part}.optimiser.{index}.{name}"] = value
        with whole_file(self.path) as draft:
            write_weights(draft, tensors, {"key": self.key, "step": step})

    def restore(self, parts: Parts) -> int:
        """Load the saved state, if there is one of this training.

        Returns:
            The number of steps done; 0 if there is nothing to go on from.
        """
        try:
            tensors, header = read_weights(self.path)
        except ModelError:
            return 0  # none yet, or damaged: begin again
        if header.get("key") != self.key:
            return 0
        for part, (model, optimiser) in parts.items():
            model.load_state_dict(_under(f"{part}.model.", tensors))
            moments: dict[int, dict[str, Tensor]] = {}
            for name, value in _under(f"{part}.optimiser.", tensors).items():
                index, kind = name.split(".")
                moments.setdefault(int(index), {})[kind] = value
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": moments, "param_groups": groups})
        return int(header["step"])


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
