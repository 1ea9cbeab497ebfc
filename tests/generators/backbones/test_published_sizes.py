"""Every published configuration at its size: a checkpoint becomes a model that renders."""

from pathlib import Path

import pytest
import torch

from flawcast.configs.preset_files import load_preset
from flawcast.generators.backbones import MotionBackbone, build_backbone, import_official
from flawcast.generators.backbones.base import load_backbone, ready
from tests.flows.commands.running import run
from tests.generators.backbones.test_import import checkpoint_of, save

PUBLISHED = {
    "fomm": [
        *("vox-256", "vox-adv-256", "bair-256", "mgif-256"),
        *("taichi-256", "taichi-adv-256", "fashion-256", "nemo-256"),
    ],
    "tps": ["vox-256", "mgif-256", "taichi-256", "ted-384"],
    "vid2vid": ["vox-256"],
}
CASES = [(backbone, name, {}) for backbone, names in PUBLISHED.items() for name in names]
CASES.append(("vid2vid", "vox-256", {"generator": "spade"}))


@torch.no_grad()
def drawn(model: MotionBackbone, size: int) -> torch.Tensor:
    """One frame, moved by another."""
    frames = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    return model.render(model.appearance(frames[0]), model.keypoints(frames[1:]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "name", "other"),
    CASES,
    ids=[f"{backbone}-{name}{'-spade' if other else ''}" for backbone, name, other in CASES],
)
def test_a_checkpoint_of_a_published_configuration(
    backbone: str, name: str, other: dict[str, str], tmp_path: Path
) -> None:
    settings = load_preset(name, backbone)
    theirs = ready(build_backbone(backbone, {**settings.backbone.config, **other}, seed=5))
    file = save(tmp_path / f"{name}.pth.tar", checkpoint_of(theirs))
    run("import", file, "--backbone", backbone, "--config", name, "--out", tmp_path / "model")
    size = settings.clips.size
    expected = drawn(theirs, size)
    assert expected.shape == (1, 3, size, size)
    for model in (
        import_official(file, backbone, settings.backbone.config),
        load_backbone(tmp_path / "model"),
    ):
        torch.testing.assert_close(drawn(model, size), expected, atol=1e-5, rtol=0)
