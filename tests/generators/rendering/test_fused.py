"""The inference form of a model draws what the plain model draws, up to rounding."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from flawcast.generators.backbones import MotionBackbone, build_backbone, load_backbone
from flawcast.generators.backbones.base import ready
from flawcast.generators.blocks.layers import ResBlock, UpBlock
from flawcast.generators.model import shipped_model
from flawcast.generators.rendering.convolutions import SameConv
from flawcast.generators.rendering.fused import for_inference, inference_form
from tests.generators.backbones.tiny_backbones import LEARNED, TINY


def shake(module: nn.Module) -> None:
    """Give weights, biases and batch statistics values that training might have."""
    torch.manual_seed(0)
    with torch.no_grad():
        for value in module.parameters():
            value.add_(0.05 * torch.randn_like(value))
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                assert part.running_mean is not None
                assert part.running_var is not None
                part.running_mean.normal_(0, 0.2)
                part.running_var.uniform_(0.5, 1.5)


@torch.no_grad()
def compare(backbone: MotionBackbone, size: int) -> None:
    """Keypoints and frames of a backbone and of its inference form agree within 1e-4."""
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    twin = for_inference(backbone)
    frames = torch.rand(4, 3, size, size, generator=torch.Generator().manual_seed(1))
    plain, quick = backbone.keypoints(frames), twin.keypoints(frames)
    torch.testing.assert_close(quick, plain, atol=1e-4, rtol=1e-4)
    wanted = backbone.render(backbone.appearance(frames[0]), plain)
    found = twin.render(twin.appearance(frames[0]), plain)
    assert (found - wanted).abs().max() < 1e-4
    assert all(torch.equal(before[name], value) for name, value in backbone.state_dict().items())


@pytest.mark.parametrize("name", LEARNED)
def test_inference_form_equals_the_plain_model(name: str) -> None:
    backbone = ready(build_backbone(name, TINY[name]))
    shake(backbone)
    compare(backbone, 32)


def test_inference_form_equals_a_trained_model() -> None:
    compare(load_backbone(shipped_model("demo")), 64)


@torch.no_grad()
@pytest.mark.parametrize(
    ("inputs", "outputs", "size", "height", "width"),
    [(64, 96, 3, 32, 40), (80, 64, 3, 33, 61), (8, 64, 3, 32, 32), (64, 3, 7, 40, 36)],
    ids=["tiles", "no whole tiles", "narrow", "seven"],
)
def test_convolution_with_fewer_products_is_a_convolution(
    inputs: int, outputs: int, size: int, height: int, width: int
) -> None:
    torch.manual_seed(0)
    features = torch.randn(2, inputs, height, width).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(outputs, inputs, size, size), torch.randn(outputs)
    weight /= inputs**0.5 * size
    found = SameConv(weight, bias)(features)
    wanted = F.conv2d(features.double(), weight.double(), bias.double(), padding=size // 2)
    torch.testing.assert_close(found.double(), wanted, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("block", [UpBlock(6, 5), ResBlock(64)], ids=["up", "residual"])
def test_blocks_equal_their_inference_form(block: nn.Module) -> None:
    shake(block.eval())
    features = torch.randn(2, 64 if isinstance(block, ResBlock) else 6, 32, 32)
    form = inference_form(block)
    assert form is not None
    torch.testing.assert_close(form(features), block(features), atol=1e-4, rtol=1e-4)
