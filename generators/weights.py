"""Tensors on disk as safetensors: loading executes no code and refuses damage and NaN."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from flawcast.configs.errors import ModelError, one_line


def write_weights(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write tensors and a JSON header that describes them."""
    contiguous = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    save_file(contiguous, path, metadata={"flawcast": json.dumps(header, sort_keys=True)})
    path.chmod(0o644)  # the library creates files that only their owner can read


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and their header.

    Raises:
        ModelError: If the file is absent, damaged, of another origin, or holds NaN or infinity.
    """
    wanted = f"model: expected weights written by flawcast train in {path}"
    if not path.is_file():
        raise ModelError(f"{wanted}, found no such file; train a model or name its folder")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("flawcast", "null"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no dict
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{wanted}, cannot read it: {error}; copy or train it again") from None
    if not isinstance(header, dict):
        raise ModelError(f"{wanted}, found a file of another origin; use flawcast train")
    for key, value in tensors.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise ModelError(f"{wanted}, found NaN or infinity in {key}; train it again")
    return tensors, header


def read_state_dict(path: Path, wanted: str) -> dict[str, Tensor]:
    """Read a published state dict without executing code.

    Args:
        path: A file written by `torch.save`.
        wanted: Beginning of the error message: the setting, and what was expected.

    Raises:
        ModelError: If the file is absent or holds anything but a dict of tensors.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"{wanted}, found no file {path}") from None
    except Exception as error:
        raise ModelError(f"{wanted}, cannot read {path}: {one_line(error)}") from None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{wanted}, found something else in {path}; name another file")
    return state


def load_into(module: nn.Module, tensors: dict[str, Tensor], name: str) -> None:
    """Load a state dict strictly.

    Raises:
        ModelError: If a key is missing, unexpected or of another shape; the message names it.
    """
    own = module.state_dict()
    missing, unexpected = sorted(own.keys() - tensors), sorted(tensors.keys() - own)
    misshapen = [key for key in own.keys() & tensors if own[key].shape != tensors[key].shape]
    for problem, keys in (
        ("lacks", missing),
        ("has an unexpected", unexpected),
        ("has another shape at", sorted(misshapen)),
    ):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise ModelError(
                f"{name}: the file {problem} key {keys[0]}{more}; "
                "use weights and sizes of the same training"
            )
    module.load_state_dict(tensors)
