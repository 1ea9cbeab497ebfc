"""Wide fully connected layers for inference on a CPU, with weights that are packed once.

A matrix product reads its weights in blocks. For a hundred rows and a layer of thousands of units,
bringing the weights into that order takes a large part of the time, and the result is the same for
every step of every sample set.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn

Layers = TypeVar("Layers", bound=nn.Module)

WORTH_WHILE = 2**19  # weights of a layer; smaller layers fit the cache without packing


class PackedLinear(nn.Module):
    """A fully connected layer in fp32 that can no longer be trained or saved.

    Args:
        layer: The layer to pack.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach())
        self.bias = None if layer.bias is None else layer.bias.detach()

    def forward(self, features: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            features, self.packed, self.bias, "none", [], ""
        )
        return product


def with_packed_linears(module: Layers) -> Layers:
    """Pack the wide layers of a module in place, if oneDNN, a part of PyTorch, is available."""
    if not (
        torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    ):
        return module
    for name, child in module.named_children():
        if type(child) is nn.Linear and _worth_while(child.weight):
            setattr(module, name, PackedLinear(child))
        else:
            with_packed_linears(child)
    return module


def _worth_while(weight: Tensor) -> bool:
    """Whether packing helps: a wide layer in fp32."""
    return weight.dtype == torch.float32 and weight.numel() >= WORTH_WHILE
