"""Where a training stands, on disk: weights, optimisers and progress, to go on after a kill."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from flawcast.configs.errors import ModelError
from flawcast.configs.files import whole_file
from flawcast.generators.weights import load_into, read_weights, write_weights

# What a training changes, by name; no name may begin with another name and a dot.
Parts = Mapping[str, nn.Module | Optimizer]


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds the last saved state of one training.

    Args:
        path: The file; its folder must exist.
        key: Names the training (settings and clips); a file of another key is not used.
    """

    path: Path
    key: str

    def save(self, parts: Parts, **progress: Any) -> None:
        """Replace the file in one step.

        Args:
            parts: Modules, and optimisers with their moments.
            progress: Plain values, as JSON holds them.
        """
        tensors = {
            f"{part}.{name}": value
            for part, thing in parts.items()
            for name, value in _tensors(thing).items()
        }
        with whole_file(self.path) as draft:
            write_weights(draft, tensors, {"key": self.key, **progress})

    def restore(self, parts: Parts) -> dict[str, Any] | None:
        """Load the saved state into the parts, if there is one of this training.

        Returns:
            The progress that was saved; None if there is nothing to go on from.

        Raises:
            ModelError: If the file is of this training, but its weights do not fit.
        """
        try:
            tensors, progress = read_weights(self.path)
        except ModelError:
            return None  # none yet, or damaged: begin again
        if progress.pop("key", None) != self.key:
            return None
        for part, thing in parts.items():
            start = f"{part}."
            own = {
                name.removeprefix(start): value
                for name, value in tensors.items()
                if name.startswith(start)
            }
            if isinstance(thing, Optimizer):
                _set_moments(thing, own)
            else:
                load_into(thing, own, "checkpoint")
        return progress


def _tensors(thing: nn.Module | Optimizer) -> dict[str, Tensor]:
    """A module's weights, or an optimiser's moments as INDEX.NAME."""
    if isinstance(thing, nn.Module):
        return thing.state_dict()
    return {
        f"{index}.{name}": value
        for index, moments in thing.state_dict()["state"].items()
        for name, value in moments.items()
    }


def _set_moments(optimiser: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser of the same parameters the moments of `_tensors`."""
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, kind = name.split(".")
        moments.setdefault(int(index), {})[kind] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": moments, "param_groups": groups})
