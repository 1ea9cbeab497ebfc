"""Doubling and convolving in one step is doubling, then convolving."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from flawcast.generators.rendering import doubling
from flawcast.generators.rendering.doubling import UpConv, interleave

sides = st.integers(1, 9)


def as_written(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Repeat every pixel, convolve, ReLU."""
    doubled = F.interpolate(features.double(), scale_factor=2)
    return F.relu(F.conv2d(doubled, weight.double(), bias.double(), padding=1))


def case(batch: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features, weight and bias with values that training might have made."""
    torch.manual_seed(0)
    return torch.randn(batch, 6, height, width), torch.randn(5, 6, 3, 3) / 7, torch.randn(5)


@torch.no_grad()
@settings(deadline=None)
@given(batch=st.integers(1, 3), height=sides, width=sides, rows=st.integers(1, 9))
def test_products_are_the_convolution(batch: int, height: int, width: int, rows: int) -> None:
    features, weight, bias = case(batch, height, width)
    with pytest.MonkeyPatch.context() as patch:  # bands of so many rows, the last one lower
        patch.setattr(doubling, "PIXELS_AT_ONCE", rows * batch * width)
        found = UpConv(weight, bias)(features)
    wanted = as_written(features, weight, bias)
    torch.testing.assert_close(found.double(), wanted, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@settings(deadline=None)
@given(height=sides, width=sides)
def test_four_small_kernels_are_the_convolution(height: int, width: int) -> None:
    features, weight, bias = case(2, height, width)
    form = UpConv(weight, bias)

    def corner(kernel: Tensor, seen: Tensor) -> Tensor:
        return F.relu(F.conv2d(seen, kernel, bias))

    edged = F.pad(features, (1, 1, 1, 1))
    found = interleave(edged, [partial(corner, kernel) for kernel in form.kernels()])
    torch.testing.assert_close(
        found.double(), as_written(features, weight, bias), atol=1e-5, rtol=1e-5
    )


@torch.no_grad()
def test_half_precision_takes_the_four_kernels() -> None:
    features, weight, bias = case(1, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = UpConv(weight, bias)(features.bfloat16())
    wanted = as_written(features, weight, bias)
    torch.testing.assert_close(found.double(), wanted, atol=0.1, rtol=0.1)
