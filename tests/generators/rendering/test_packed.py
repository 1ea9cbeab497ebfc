"""Packed layers compute what the plain ones do, and only wide ones are packed."""

import copy

import pytest
import torch
from torch import nn

from flawcast.generators.forecasters import FORECASTERS, build_forecaster
from flawcast.generators.rendering import packed as module
from flawcast.generators.rendering.packed import PackedLinear, packed

TRAINED = [name for name in FORECASTERS.names() if FORECASTERS[name].trains]


@pytest.mark.parametrize("rows", [(1,), (100,), (3, 7)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_layer_is_the_layer(rows: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(1030, 700, bias)
    features = torch.randn(*rows, 1030)
    with torch.no_grad():
        assert torch.allclose(PackedLinear(layer)(features), layer(features), atol=1e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_packed_forecasters_give_the_same_futures(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WORTH_WHILE", 1)
    torch.manual_seed(0)
    plain = build_forecaster(name, 6, {}).eval()
    twin = packed(copy.deepcopy(plain))
    assert any(isinstance(layer, PackedLinear) for layer in twin.modules())
    past = torch.randn(2, 5, 6)
    noise = torch.randn(2, 4, 3, plain.noise_size)
    with torch.no_grad():
        assert torch.allclose(twin.roll_out(past, noise), plain.roll_out(past, noise), atol=1e-4)


def test_narrow_layers_stay_as_they_are() -> None:
    """Small forecasters give the same bytes packed or not."""
    forecaster = packed(build_forecaster("gru_nf", 60, {}))
    assert not any(isinstance(layer, PackedLinear) for layer in forecaster.modules())
