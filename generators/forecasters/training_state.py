"""Where a forecaster's training stands, on disk: several sets of weights and the optimiser."""

from pathlib import Path
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from flawcast.configs.errors import ModelError
from flawcast.configs.files import whole_file
from flawcast.generators.weights import read_weights, write_weights

Parts = dict[str, dict[str, Tensor]]


def save_parts(
    path: Path, key: str, parts: Parts, optimiser: Optimizer, progress: dict[str, Any]
) -> None:
    """Replace a checkpoint in one step.

    Args:
        path: The file; its folder must exist.
        key: Names the training; a file of another key is not used.
        parts: State dicts by name.
        optimiser: Its moments go along.
        progress: Plain values.
    """
    tensors = {
        f"{part}.{name}": value for part, state in parts.items() for name, value in state.items()
    }
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in moments.items()}
    with whole_file(path) as draft:
        write_weights(draft, tensors, {"key": key, "progress": progress})


def restore_parts(
    path: Path, key: str, optimiser: Optimizer
) -> tuple[Parts, dict[str, Any]] | None:
    """Read a checkpoint of the same training, and set the optimiser to it.

    Args:
        path: What `save_parts` wrote.
        key: Of this training.
        optimiser: Of the same parameters.

    Returns:
        State dicts and plain values; None if there is no whole file of this training.
    """
    try:
        tensors, header = read_weights(path)
    except ModelError:
        return None  # none yet, or damaged: begin again
    if header.get("key") != key:
        return None
    parts: Parts = {}
    for name, value in tensors.items():
        part, own = name.split(".", 1)
        parts.setdefault(part, {})[own] = value
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in parts.pop("optimiser", {}).items():
        index, kind = name.split(".")
        moments.setdefault(int(index), {})[kind] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": moments, "param_groups": groups})
    return parts, header["progress"]
