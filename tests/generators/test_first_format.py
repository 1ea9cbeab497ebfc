"""Forecasters written before whitening came still load, and draw what they drew."""

import json
from pathlib import Path

import torch

from generators.forecasters import KeypointPredictor
from generators.forecasters.gru_nf import GRUNFForecaster
from generators.model import shipped_model
from generators.weights import read_weights, write_weights

# Of the shipped model, before forecasters knew whitening: sum and last value of the samples below.
DRAWN = (521.0696411132812, -0.1263180822134018)


def test_the_shipped_forecaster_draws_what_it_always_drew() -> None:
    predictor = KeypointPredictor.load(shipped_model())
    generator = torch.Generator().manual_seed(5)
    past = torch.randn(12, 60, generator=generator).cumsum(dim=0) / 50
    drawn = predictor.sample(past, 12, 10, torch.Generator().manual_seed(7))
    total, last = DRAWN
    torch.testing.assert_close(drawn.abs().sum().item(), total, rtol=1e-4, atol=0)
    torch.testing.assert_close(drawn[-1, -1, -1].item(), last, rtol=1e-3, atol=1e-5)


def test_a_header_without_the_new_settings_means_the_old_ones(tmp_path: Path) -> None:
    sizes = {"hidden": 8, "gru_layers": 1, "condition": 4, "blocks": 2, "flow_hidden": 8}
    ours = KeypointPredictor(
        "gru_nf", 4, {**sizes, "whiten": False, "compress": False, "affine": False, "dropout": 0.0}
    )
    ours.save(tmp_path)
    tensors, header = read_weights(tmp_path / "forecaster.safetensors")
    for key in ("whiten", "compress", "affine", "dropout"):
        del header["config"][key]
    for key in ("coordinates", "reach"):
        del header[key]
    write_weights(tmp_path / "forecaster.safetensors", tensors, json.loads(json.dumps(header)))
    loaded = KeypointPredictor.load(tmp_path)
    assert isinstance(loaded.forecaster, GRUNFForecaster)
    assert not loaded.forecaster.whitens
    past = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    drawn = [one.sample(past, 3, 2, torch.Generator().manual_seed(1)) for one in (ours, loaded)]
    assert torch.equal(*drawn)
