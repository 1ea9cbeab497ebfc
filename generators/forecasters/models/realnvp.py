"""A conditional RealNVP: exact densities of vectors given a condition, and the inverse map.

Layout and key names are those of the published nets, so that their weights load.
"""

from collections.abc import Callable
from itertools import pairwise
from math import log, pi

import torch
from torch import Tensor, nn

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9


class Subnet(nn.Module):
    """Fully connected layers with the same activation between them."""

    def __init__(
        self, inputs: int, hidden: int, layers: int, outputs: int, activation: type[nn.Module]
    ) -> None:
        super().__init__()
        widths = [inputs, *[hidden] * (layers - 1), outputs]
        for index, (before, after) in enumerate(pairwise(widths)):
            self.add_module(str(index), nn.Linear(before, after))
        self.activation = activation()
        # A new coupling is nearly the identity, so that training starts from the base density.
        last = self.get_submodule(str(layers - 1))
        assert isinstance(last, nn.Linear)  # noqa: S101 - narrows the type
        nn.init.normal_(last.weight, std=1e-3)
        nn.init.zeros_(last.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        first, *rest = (layer for name, layer in self.named_children() if name != "activation")
        features = first(features)
        for layer in rest:
            features = layer(self.activation(features))
        return features


class Coupling(nn.Module):
    """Scales and shifts half of the values by functions of the other half and the condition.

    The log-scale is a hyperbolic tangent, so the factor of a coupling lies between 1/e and e.

    Reference:
        Dinh et al., 2016, https://arxiv.org/abs/1605.08803, eqs. 7-9
    """

    kept: Tensor

    def __init__(
        self, features: int, condition: int, hidden: int, layers: int, parity: int
    ) -> None:
        super().__init__()
        self.scale = Subnet(features + condition, hidden, layers, features, nn.Tanh)
        self.shift = Subnet(features + condition, hidden, layers, features, nn.ReLU)
        kept = (torch.arange(features) % 2 == parity).float()
        self.register_buffer("kept", kept, persistent=False)

    def forward(self, values: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Data to latent: (..., D), (..., C) -> (..., D), log-determinant (...)."""
        log_scale, shift = self._log_scale_and_shift(values, condition)
        return values * log_scale.exp() + shift, log_scale.sum(-1)

    def inverse(self, values: Tensor, condition: Tensor) -> Tensor:
        """Latent to data."""
        log_scale, shift = self._log_scale_and_shift(values, condition)
        return (values - shift) * (-log_scale).exp()

    def _log_scale_and_shift(self, values: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Log-scale and shift; both are zero for the values that stay."""
        inputs = torch.cat([condition, values * self.kept], dim=-1)
        changed = 1 - self.kept
        return torch.tanh(self.scale(inputs)) * changed, self.shift(inputs) * changed


class FlowBatchNorm(nn.Module):
    """Batch norm as an invertible layer (Dinh et al., 2016, appendix E)."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.log_gamma = nn.Parameter(torch.zeros(features))
        self.beta = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Data to latent: (..., D) -> (..., D), log-determinant (a scalar)."""
        mean, variance = self.running_mean, self.running_var
        if self.training:
            rows = values.reshape(-1, values.shape[-1])
            mean, variance = rows.mean(0), rows.var(0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, 1 - BATCH_NORM_MOMENTUM)
                self.running_var.lerp_(variance, 1 - BATCH_NORM_MOMENTUM)
        variance = variance + BATCH_NORM_EPSILON
        normal = (values - mean) / variance.sqrt()
        return self.log_gamma.exp() * normal + self.beta, (
            self.log_gamma - 0.5 * variance.log()
        ).sum()

    def inverse(self, values: Tensor) -> Tensor:
        """Latent to data, with the running statistics."""
        deviation = (self.running_var + BATCH_NORM_EPSILON).sqrt()
        return (values - self.beta) * (-self.log_gamma).exp() * deviation + self.running_mean


class ConditionalRealNVP(nn.Module):
    """Couplings of alternating halves, with batch norm layers between them.

    Args:
        features: Length of a vector, D.
        condition: Length of the condition, C.
        hidden: Units of each fully connected layer.
        layers: Number of fully connected layers of each scale and shift net.
        blocks: Number of couplings.
        batch_norm: Whether a batch norm layer follows each coupling.

    Reference:
        Rasul et al., 2020, https://arxiv.org/abs/2002.06103, section 3
    """

    def __init__(
        self, features: int, condition: int, hidden: int, layers: int, blocks: int, batch_norm: bool
    ) -> None:
        super().__init__()
        self.coupling = nn.ModuleList(
            Coupling(features, condition, hidden, layers, parity=1 - index % 2)
            for index in range(blocks)
        )
        self.batchnorm = nn.ModuleList(
            FlowBatchNorm(features) for _ in range(blocks if batch_norm else 0)
        )

    def forward(self, values: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Data to latent: (..., D), (..., C) -> (..., D), log-determinant (...)."""
        total = values.new_zeros(values.shape[:-1])
        for index, coupling in enumerate(self.coupling):
            values, change = coupling(values, condition)
            total = total + change
            if self.batchnorm:
                values, change = self.batchnorm[index](values)
                total = total + change
        return values, total

    def inverse(self, latent: Tensor, condition: Tensor) -> Tensor:
        """Latent to data: (..., D), (..., C) -> (..., D)."""
        for index in reversed(range(len(self.coupling))):
            latent = self.inverse_block(index, latent, condition)
        return latent

    def inverse_block(self, index: int, latent: Tensor, condition: Tensor) -> Tensor:
        """Undo one coupling and its batch norm layer: (..., D), (..., C) -> (..., D)."""
        if self.batchnorm:
            latent = _inverse(self.batchnorm[index])(latent)
        return _inverse(self.coupling[index])(latent, condition)

    def log_prob(self, values: Tensor, condition: Tensor) -> Tensor:
        """Exact log-density under a standard normal base: (..., D), (..., C) -> (...)."""
        latent, change = self(values, condition)
        base = -0.5 * (latent**2 + log(2 * pi)).sum(-1)
        return base + change


def _inverse(layer: nn.Module) -> Callable[..., Tensor]:
    """The inverse of a flow layer."""
    inverse: Callable[..., Tensor] = layer.inverse  # type: ignore[assignment]
    return inverse
