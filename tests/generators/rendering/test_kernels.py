"""Kernels are chosen by measurement, once for a machine, and the choice is a file."""

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from flawcast.flows.running.environment import clean_environment
from flawcast.generators.clips.frames import to_tensor
from flawcast.generators.line.clips import draw_clip
from flawcast.generators.model import load_model, shipped_model
from flawcast.generators.rendering import convolutions, doubling, kernels
from flawcast.generators.rendering.convolutions import SameConv
from flawcast.generators.rendering.doubling import UpConv
from flawcast.generators.rendering.kernels import KernelChoice, measured, this_machine
from flawcast.generators.rendering.scene import Scene
from flawcast.selection.pruning import keep_closest

IMAGE = torch.zeros(1)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that a user named, of a machine on which small layers are worth measuring."""
    path = tmp_path / "kernels.json"
    monkeypatch.setenv("FLAWCAST_KERNELS", str(path))
    for module in (convolutions, doubling):
        monkeypatch.setattr(module, "worth_measuring", lambda *shape: True)
    kernels._choice_of.cache_clear()
    yield path
    kernels._choice_of.cache_clear()


def quick(features: Tensor) -> Tensor:
    return features


def slow(features: Tensor) -> Tensor:
    until = time.thread_time() + 0.003
    while time.thread_time() < until:
        pass
    return features


def broken(features: Tensor) -> Tensor:
    raise RuntimeError("not on this processor")


def test_the_fastest_way_is_chosen_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "kernels.json"
    ways = {"slow": slow, "quick": quick, "broken": broken}
    assert KernelChoice(path).choose("a layer", ways, "slow", lambda: IMAGE) == "quick"
    kept = json.loads(path.read_text())
    assert kept["kernels"] == {"a layer": "quick"}
    assert kept["machine"] == this_machine()
    never = {"slow": broken, "quick": broken}
    assert KernelChoice(path).choose("a layer", never, "slow", lambda: IMAGE) == "quick"


def test_another_way_must_be_clearly_faster() -> None:
    assert measured({"one": slow, "other": slow}, "other", IMAGE) == "other"
    assert measured({"one": broken, "other": quick}, "one", IMAGE) == "other"


def test_those_who_ask_at_once_measure_once(tmp_path: Path) -> None:
    counted: list[str] = []

    def way(features: Tensor) -> Tensor:
        counted.append("measured")
        return slow(features)

    def ask(number: int) -> str:
        choice = KernelChoice(tmp_path / "kernels.json")  # as another process would
        return choice.choose("a layer", {"one": way, "two": slow}, "one", lambda: IMAGE)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(8))) == {"one"}
    assert len(counted) == kernels.ROUNDS + 1


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"format": 1, "machine": {}, "kernels": {"a": 3}}', "foreign"],
    ids=["torn", "list", "types", "foreign"],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_file_of_no_use_is_ignored_with_one_line(
    content: str, named: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "kernels.json"
    machine = this_machine() | {"processor": "another"}
    foreign = {"format": 1, "machine": machine, "kernels": {"a layer": "slow"}}
    path.write_text(json.dumps(foreign) if content == "foreign" else content)
    before = path.read_bytes()
    choice = KernelChoice(path, named)
    ways = {"slow": slow, "quick": quick}
    assert choice.choose("a layer", ways, "slow", lambda: IMAGE) == ("slow" if named else "quick")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"kernels: {path} is ignored: ")
    assert (path.read_bytes() == before) == named  # a user's own file is never replaced


def test_without_a_place_for_the_file_the_usual_ways_are_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    choice = KernelChoice(tmp_path / "file" / "kernels.json")
    ways = {"slow": slow, "quick": quick}
    assert choice.choose("a layer", ways, "slow", lambda: IMAGE) == "slow"


def test_workers_of_a_run_share_the_users_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their HOME is the run's folder."""
    monkeypatch.delenv("FLAWCAST_KERNELS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = kernels.choice_file()
    assert file.is_relative_to(tmp_path / "cache")
    with clean_environment(tmp_path, None, own_ray=True):
        assert kernels.choice_file() == file


@torch.no_grad()
def test_all_ways_of_a_layer_give_the_same() -> None:
    noise = torch.Generator().manual_seed(3)
    image = torch.randn(2, 24, 40, 36, generator=noise)
    for size in (3, 7):
        layer = SameConv(torch.randn(32, 24, size, size, generator=noise) / 50, torch.randn(32))
        one, other = (way(image) for way in layer.ways().values())
        assert (one - other).abs().max() < 1e-4
    twice = UpConv(torch.randn(8, 24, 3, 3, generator=noise) / 15, torch.randn(8))
    one, other = (way(image) for way in twice.ways().values())
    assert (one - other).abs().max() < 1e-4


class Wobble:
    """Futures of a wobbling product, drawn by the shipped model."""

    def __init__(self, count: int) -> None:
        self.frames = draw_clip("wobble", 5, 6, 64).frames
        self.count = count

    def kept(self, keep: int) -> tuple[list[int], np.ndarray]:
        """Which are closest to the clip, and their videos."""
        kernels._choice_of.cache_clear()
        backbone = load_model(shipped_model("demo")).backbone
        scene = Scene.encode(backbone, self.frames[0])
        with torch.no_grad():
            own = backbone.keypoints(to_tensor(self.frames))[4:]
        noise = torch.Generator().manual_seed(1)
        futures = own + 0.05 * torch.randn(self.count, 1, own.shape[1], generator=noise)

        def draw(pairs: Sequence[tuple[int, int]]) -> np.ndarray:
            return scene.draw(torch.stack([futures[pair] for pair in pairs]))

        found = keep_closest(draw, self.frames[4:], np.zeros(self.count), keep, scene.batch)
        return found.indices.tolist(), found.videos


def swapped(count: int, keep: int, file: Path) -> None:
    """Another choice of every kernel keeps the same futures, and draws them within 1/255."""
    wobble = Wobble(count)
    wobble.kept(keep)
    content = json.loads(file.read_text())
    assert set(content["kernels"].values()) <= {"onednn", "nnpack", "products", "corners"}
    results = []
    for convolution, double in (("onednn", "products"), ("nnpack", "corners")):
        for shape in content["kernels"]:
            content["kernels"][shape] = double if shape.startswith("doubling") else convolution
        file.write_text(json.dumps(content))
        results.append(wobble.kept(keep))
        assert json.loads(file.read_text()) == content  # nobody measured again
    (kept, videos), (others, again) = results
    assert kept == others
    assert np.abs(videos.astype(int) - again).max() <= 1


def test_another_choice_keeps_the_same_futures(file: Path) -> None:
    swapped(10, 4, file)


@pytest.mark.slow
def test_another_choice_keeps_the_same_20_of_100(file: Path) -> None:
    swapped(100, 20, file)
