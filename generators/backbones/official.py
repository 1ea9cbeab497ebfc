"""Published checkpoints: the official files of FOMM, TPS and face-vid2vid, read strictly."""

import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flawcast.configs.errors import ModelError, one_line
from flawcast.generators.backbones.base import BACKBONES, MotionBackbone, build_backbone, ready
from flawcast.generators.weights import load_into

# What a checkpoint holds beside sub-networks: where its training stood.
_BOOKKEEPING = re.compile(r"optimi[sz]er|scheduler|epoch|iteration|step")

DISCRIMINATOR = "discriminator"  # in checkpoints of adversarial training, of no use here

Weights = dict[str, dict[str, Tensor]]


def import_official(checkpoint: Path, backbone: str, config: dict[str, Any]) -> MotionBackbone:
    """Read a published checkpoint into a backbone; no code of the file is run.

    Args:
        checkpoint: The official file, e.g. `vox-256.pth.tar`.
        backbone: "fomm", "tps" or "vid2vid".
        config: The model's sizes, as in the official configuration.

    Returns:
        The backbone in eval mode. Sub-networks that only its training needs are taken over where
        they are in the file and are part of the model.

    Raises:
        ModelError: If the file cannot be read without running code, or a key is missing,
            unexpected or of another shape; the message names it.
        SettingsError: If the backbone is unknown or the sizes do not fit it.
    """
    kind = BACKBONES[backbone]
    networks = _networks(checkpoint)
    fitted = kind.fitted(config, networks)
    model = build_backbone(backbone, fitted)
    expected = {name for name, _ in model.named_children()}
    origin = f"checkpoint {checkpoint.name}"
    for name in sorted(expected - networks.keys()):
        raise ModelError(
            f"{origin}: expected sub-network {name} of {backbone}, found "
            f"{', '.join(sorted(networks)) or 'none'}; name the backbone that the file is of"
        )
    for name in sorted(networks.keys() - expected - kind.training_only - {DISCRIMINATOR}):
        raise ModelError(
            f"{origin}: {backbone} has no sub-network {name}; name the backbone that the file is of"
        )
    for name in sorted(expected):
        _check_finite(networks[name], f"{origin}: {name}")
        load_into(model.get_submodule(name), networks[name], f"{origin}: {name}")
    return ready(model)


def _networks(path: Path) -> Weights:
    """The state dicts in a checkpoint, by sub-network."""
    content = _load(path)
    networks: Weights = {}
    for name, part in content.items():
        if not isinstance(name, str):
            raise ModelError(f"checkpoint {path.name}: expected names, found the key {name!r:.60}")
        if _BOOKKEEPING.match(name):
            continue
        if not isinstance(part, dict) or not all(
            isinstance(key, str) and isinstance(value, Tensor) for key, value in part.items()
        ):
            raise ModelError(
                f"checkpoint {path.name}: expected tensors by name in {name}, found "
                f"{type(part).__name__}; use the official file"
            )
        networks[name] = _unwrapped(part)
    return networks


def _load(path: Path) -> dict[Any, Any]:
    """The content of a checkpoint file."""
    wanted = f"checkpoint: expected an official checkpoint in {path}"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"{wanted}, found no such file; name the file") from None
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f" ({named.group(1)})" if named else ""
        raise ModelError(
            f"{wanted}, this file would need to run code to be read{what}; "
            "flawcast runs no code from files, ask for one that holds tensors alone"
        ) from None
    except Exception as error:
        raise ModelError(f"{wanted}, cannot read it: {one_line(error)}; fetch it again") from None
    if not isinstance(content, dict):
        raise ModelError(f"{wanted}, found a {type(content).__name__}; use the official file")
    return content


def _unwrapped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keys without the prefix that training on several GPUs leaves."""
    if state and all(key.startswith("module.") for key in state):
        return {key.removeprefix("module."): value for key, value in state.items()}
    return state


def _check_finite(state: dict[str, Tensor], name: str) -> None:
    """Refuse NaN and infinity."""
    for key, value in state.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise ModelError(f"{name}: found NaN or infinity at key {key}; fetch the file again")
