"""Published checkpoints are read strictly, and nothing in them is run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from flawcast.configs.errors import ModelError, SettingsError
from flawcast.generators.backbones import MotionBackbone, build_backbone, import_official
from tests.generators.backbones.tiny_backbones import LEARNED, TINY

Checkpoint = dict[str, Any]


@pytest.fixture(params=LEARNED)
def published(request: pytest.FixtureRequest) -> MotionBackbone:
    """A backbone whose weights somebody could have published."""
    return build_backbone(request.param, TINY[request.param], seed=3).eval()


def checkpoint_of(backbone: MotionBackbone) -> Checkpoint:
    """The layout of an official file: state dicts by sub-network, and where training stood."""
    networks = {name: network.state_dict() for name, network in backbone.named_children()}
    return {
        **networks,
        "discriminator": {"discs.1.conv.bias": torch.zeros(1)},
        "optimizer_generator": {"state": {}, "param_groups": [{"lr": 2e-4}]},
        "epoch": 99,
    }


def save(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@torch.no_grad()
def test_imported_weights_render_the_same(published: MotionBackbone, tmp_path: Path) -> None:
    file = save(tmp_path / "a.pth.tar", checkpoint_of(published))
    imported = import_official(file, published.name, TINY[published.name])
    frames = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    ours, theirs = (
        model.render(model.appearance(frames[0]), model.keypoints(frames))
        for model in (imported, published)
    )
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_training_networks_may_be_absent(published: MotionBackbone, tmp_path: Path) -> None:
    content = checkpoint_of(published)
    for name in {"discriminator", "optimizer_generator", "epoch", *published.training_only}:
        content.pop(name, None)
    file = save(tmp_path / "a.pth.tar", content)
    frames = torch.rand(2, 3, 32, 32)
    imported = import_official(file, published.name, TINY[published.name])
    assert (
        imported.render(imported.appearance(frames[0]), imported.keypoints(frames)).isfinite().all()
    )


def test_a_prefix_of_parallel_training_is_no_obstacle(
    published: MotionBackbone, tmp_path: Path
) -> None:
    content = checkpoint_of(published)
    name = next(iter(dict(published.named_children())))
    content[name] = {f"module.{key}": value for key, value in content[name].items()}
    file = save(tmp_path / "a.pth.tar", content)
    assert import_official(file, published.name, TINY[published.name]).name == published.name


def renamed(state: dict[str, torch.Tensor], key: str) -> None:
    state["renamed"] = state.pop(key)


def misshapen(state: dict[str, torch.Tensor], key: str) -> None:
    state[key] = torch.zeros(1, 2, 3)


def missing(state: dict[str, torch.Tensor], key: str) -> None:
    del state[key]


def unexpected(state: dict[str, torch.Tensor], key: str) -> None:
    state[f"{key}.more"] = torch.zeros(1)


def poisoned(state: dict[str, torch.Tensor], key: str) -> None:
    state[key] = torch.full_like(state[key], torch.nan)


@pytest.mark.parametrize("damage", [renamed, misshapen, missing, unexpected, poisoned])
def test_the_key_at_fault_is_named(
    published: MotionBackbone,
    damage: Callable[[dict[str, torch.Tensor], str], None],
    tmp_path: Path,
) -> None:
    content = checkpoint_of(published)
    network = next(iter(dict(published.named_children())))
    state = dict(content[network])
    key = next(key for key, value in state.items() if value.dim() == 4)
    damage(state, key)
    file = save(tmp_path / "a.pth.tar", {**content, network: state})
    with pytest.raises(ModelError, match=rf"a\.pth\.tar: {network}.*{key}"):
        import_official(file, published.name, TINY[published.name])


class Harmful:
    """Would create a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return (Path.touch, (self.path,))  # type: ignore[return-value]


def test_a_pickled_function_is_refused_and_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "touched"
    file = save(tmp_path / "a.pth.tar", {"generator": Harmful(trap)})
    with pytest.raises(ModelError, match=r"would need to run code.*runs no code from files"):
        import_official(file, "fomm", TINY["fomm"])
    assert not trap.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([1, 2], "found a list"),
        ({}, "found none"),
        ({"kp_detector": 3}, "expected tensors by name in kp_detector"),
        ({"kp_detector": {"a": 3}}, "expected tensors by name in kp_detector"),
        ({1: {}}, "found the key 1"),
        ({"kp_detector": {}, "generator": {}, "painter": {}}, "has no sub-network painter"),
    ],
    ids=["list", "empty", "number", "numbers", "numbered", "stranger"],
)
def test_other_content_is_refused(content: object, reason: str, tmp_path: Path) -> None:
    file = save(tmp_path / "a.pth.tar", content)
    with pytest.raises(ModelError, match=reason):
        import_official(file, "fomm", TINY["fomm"])


def test_files_that_are_no_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="found no such file"):
        import_official(tmp_path / "none.pth", "fomm", TINY["fomm"])
    (tmp_path / "noise.pth").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(ModelError, match=r"cannot read it|run code"):
        import_official(tmp_path / "noise.pth", "fomm", TINY["fomm"])
    whole = save(tmp_path / "a.pth", checkpoint_of(build_backbone("fomm", TINY["fomm"])))
    (tmp_path / "cut.pth").write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(ModelError, match="cannot read it"):
        import_official(tmp_path / "cut.pth", "fomm", TINY["fomm"])


def test_an_unknown_backbone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"expected one of fomm.*got 'monkey'"):
        import_official(tmp_path / "a.pth", "monkey", {})
