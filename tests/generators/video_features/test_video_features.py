"""V-JEPA equals its reference on tiny models, takes published files, and refuses others."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from flawcast.configs.errors import ModelError, ShapeError
from flawcast.configs.feature_names import JEDI_FEATURES
from flawcast.generators.video_features import (
    VJEPA,
    AttentiveProbe,
    VJEPAEncoder,
    VJEPASizes,
    filtered_features,
)
from flawcast.generators.video_features.vjepa import PUBLISHED
from tests.filling import forecaster_value
from tests.paths import FIXTURES

TINY = VJEPASizes(width=16, depth=1, heads=2, patch=8, frames=4, side=16, classes=3)


def reference(name: str) -> tuple[VJEPASizes, dict[str, Tensor], dict[str, Tensor]]:
    """Sizes, weights and reference arrays of a tiny configuration."""
    facts: dict[str, Any] = json.loads((FIXTURES / "v_jepa" / "tiny.json").read_text())[name]
    with np.load(FIXTURES / "v_jepa" / "tiny.npz") as stored:
        arrays = {
            key.removeprefix(f"{name}_"): torch.as_tensor(value)
            for key, value in stored.items()
            if key.startswith(f"{name}_")
        }
    sizes = VJEPASizes(
        width=facts["embed_dim"],
        depth=facts["depth"],
        heads=facts["num_heads"],
        patch=facts["patch_size"],
        frames=facts["num_frames"],
        side=facts["img_size"],
        uniform_power=facts["uniform_power"],
        classes=facts["classes"],
    )
    weights = {}
    for part in ("encoder", "probe"):
        for key, shape in facts[f"{part}_keys"].items():
            full = f"{part}.{key}"
            weights[full] = (
                arrays["pos_embed"]
                if key == "pos_embed"
                else torch.as_tensor(forecaster_value(full, shape, facts["seed"]))
            )
    return sizes, weights, arrays


def part_of(weights: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    """The weights of the encoder or the probe, by their own names."""
    return {
        key.removeprefix(f"{part}."): value
        for key, value in weights.items()
        if key.startswith(f"{part}.")
    }


@pytest.mark.parametrize("case", ["native", "longer", "larger"])
@pytest.mark.parametrize("name", ["t1", "t2"])
def test_tokens_and_features_equal_the_reference(name: str, case: str) -> None:
    sizes, weights, arrays = reference(name)
    encoder = VJEPAEncoder(sizes)
    torch.testing.assert_close(encoder.pos_embed.data, arrays["pos_embed"], atol=1e-6, rtol=0)
    encoder.load_state_dict(part_of(weights, "encoder"), strict=True)
    clip = arrays[f"{case}_clip"].double()
    with torch.no_grad():
        tokens = encoder.double().eval()(clip)
        torch.testing.assert_close(tokens, arrays[f"{case}_tokens"], atol=1e-5, rtol=1e-5)
        for projected, kind in ((True, "proj"), (False, "noproj")):
            probe = AttentiveProbe(sizes, projected=projected)
            probe.load_state_dict(part_of(weights, "probe"), strict=True)
            pooled = probe.double()(tokens)
            expected = arrays[f"{case}_pooled_{kind}"]
            torch.testing.assert_close(pooled, expected, atol=1e-5, rtol=1e-5)


def published(folder: Path, sizes: VJEPASizes, weights: dict[str, Tensor]) -> tuple[Path, Path]:
    """Files in the published layout."""
    encoder = {
        f"module.backbone.{key}": value for key, value in part_of(weights, "encoder").items()
    }
    wrong = {key: torch.zeros_like(value) for key, value in encoder.items()}
    torch.save(
        {"encoder": wrong, "target_encoder": encoder, "epoch": 300, "lr": 1e-3},
        folder / "encoder.pth.tar",
    )
    probe = {f"module.{key}": value for key, value in part_of(weights, "probe").items()}
    torch.save({"classifier": probe, "epoch": 20}, folder / "probe.pth.tar")
    return folder / "encoder.pth.tar", folder / "probe.pth.tar"


def test_published_files_give_the_reference_features(tmp_path: Path) -> None:
    sizes, weights, arrays = reference("t1")
    model = VJEPA(*published(tmp_path, sizes, weights), sizes)
    found = model(arrays["native_clip"])
    expected = arrays["native_pooled_proj"].float()
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=2e-4)


def test_clips_of_any_size_and_length_give_features(tmp_path: Path) -> None:
    sizes, weights, _ = reference("t1")
    model = VJEPA(*published(tmp_path, sizes, weights), sizes)
    assert model(torch.rand(2, 7, 3, 50, 70)).shape == (2, sizes.width)


def test_a_model_of_other_sizes_is_not_called_that_of_jedi(tmp_path: Path) -> None:
    sizes, weights, _ = reference("t1")
    model = VJEPA(*published(tmp_path, sizes, weights), sizes)
    assert model.described_as == "v-jepa of width 48 and depth 3, projected probe"
    model.encoder.sizes = PUBLISHED  # as it would be with the published files
    assert model.described_as == JEDI_FEATURES


def test_the_default_sizes_are_the_published_ones() -> None:
    manifest = json.loads((FIXTURES / "v_jepa" / "manifest.json").read_text())
    with torch.device("meta"):
        parts: dict[str, nn.Module] = {
            "vit_huge": VJEPAEncoder(VJEPASizes()),
            "attentive_probe_vit_huge_ssv2": AttentiveProbe(VJEPASizes()),
        }
    for name, module in parts.items():
        found = {key: list(value.shape) for key, value in module.state_dict().items()}
        assert found == manifest[name]["keys"]
    trained = [value.numel() for value in parts["vit_huge"].parameters() if value.requires_grad]
    assert sum(trained) == manifest["vit_huge"]["params"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = {
            **{f"encoder.{key}": value for key, value in VJEPAEncoder(TINY).state_dict().items()},
            **{f"probe.{key}": value for key, value in AttentiveProbe(TINY).state_dict().items()},
        }
    encoder, probe = published(tmp_path, TINY, weights)
    VJEPA(encoder, probe, TINY)
    with pytest.raises(ModelError, match="found no such file"):
        VJEPA(tmp_path / "absent", probe, TINY)
    with pytest.raises(ModelError, match="expected a checkpoint with target_encoder or encoder"):
        VJEPA(probe, probe, TINY)
    with pytest.raises(ModelError, match=r"has another shape at|lacks|has an unexpected"):
        VJEPA(encoder, probe, VJEPASizes(width=24, depth=1, heads=2, patch=8, frames=4, side=16))
    torch.save({"target_encoder": Path("x")}, tmp_path / "code.pth")
    with pytest.raises(ModelError, match="cannot read it"):
        VJEPA(tmp_path / "code.pth", probe, TINY)


def test_clips_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ShapeError, match="T a multiple of 2, H and W of 8"):
        VJEPAEncoder(TINY)(torch.zeros(1, 3, 3, 16, 16))


def test_filtered_features_tell_look_and_motion_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    still = torch.rand(1, 1, 3, 16, 16, generator=generator).expand(1, 6, 3, 16, 16)
    moving = torch.stack([frame.roll(step, dims=2) for step, frame in enumerate(still[0])])[None]
    found = filtered_features(torch.cat([still, still, moving]))
    assert found.shape[0] == 3
    assert torch.equal(found[0], found[1])
    assert (found[0] - found[2]).abs().max() > 0.01
