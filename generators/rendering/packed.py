"""Wide fully connected layers for inference on a CPU, their weights packed once.

A matrix product reads its weights in blocks. Where a hundred rows meet a layer of thousands of
units, bringing them into that order takes a good part of the product's time, and is the same for
every step of every set.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn

Layers = TypeVar("Layers", bound=nn.Module)

WORTH_WHILE = 2**19  # weights of a layer; smaller ones stay in the cache as they are


class PackedLinear(nn.Module):
    """A fully connected layer in fp32 that can no longer be trained or saved.

    Args:
        layer: What it computes.
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
    """The module itself, its wide layers packed where oneDNN, a part of PyTorch, can do it."""
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
