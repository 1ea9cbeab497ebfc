"""Sets kept as layers and as pixels: the same videos, scores and ids."""

import json
from pathlib import Path

import numpy as np
import pytest

from flawcast.configs.errors import SettingsError
from flawcast.flows.generate.layered import expect_renderer, keeps_layers
from flawcast.flows.generate.regenerate import regenerate
from flawcast.flows.generate.run import generate
from flawcast.generators.backbones import build_backbone
from flawcast.generators.rendering.scene import Scene
from flawcast.selection.metrics import mae
from flawcast.storage import SampleStore
from tests.conftest import TINY_FOMM
from tests.flows.commands.running import run
from tests.flows.generate.test_own_model import moving, request, write_clips
from tests.generators.backbones.layers.drawn_clips import draw_clip


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One store of layers and one of pixels, made from the same noisy clips, with masks."""
    folder = tmp_path_factory.mktemp("kept")
    rng = np.random.default_rng(0)
    noisy = [
        np.clip(moving(start) + rng.normal(0, 3, (14, 64, 96, 3)), 0, 255).astype(np.uint8)
        for start in (2, 6, 10)
    ]
    clips = write_clips(folder / "clips", *noisy)
    for kind in ("layers", "pixels"):
        generate(request(clips, folder / kind, keep_as=kind, masks=True, modes=("transfer",)))
        generate(request(clips, folder / kind, keep_as=kind))
    return {kind: folder / kind for kind in ("layers", "pixels")}


def test_both_ways_hold_the_same(both: dict[str, Path]) -> None:
    layered, plain = (SampleStore.open(both[kind]) for kind in ("layers", "pixels"))
    assert layered.set_ids() == plain.set_ids()
    assert len(layered.set_ids()) == 6
    for set_id in layered.set_ids():
        one, other = layered.load(set_id), plain.load(set_id)
        assert one.layers is not None
        assert other.layers is None
        for name in ("videos", "keypoints", "mae", "ssim", "diversity", "reference", "masks"):
            first, second = getattr(one, name), getattr(other, name)
            assert (first is None) == (second is None) == (name == "masks" and one.valid is None)
            assert first is None or np.array_equal(np.asarray(first), np.asarray(second)), name
        assert (one.apd, one.coherence, one.hold_mae) == (
            other.apd,
            other.coherence,
            other.hold_mae,
        )
    for store in (layered, plain):
        assert store.verify(ids=True) == []


def test_stored_videos_are_noisy_and_their_scores_are_not(both: dict[str, Path]) -> None:
    store = SampleStore.open(both["layers"])
    made = store.load(store.query("mode = 'reconstruction'")["set_id"][0].as_py())
    noisy = mae(np.asarray(made.videos), made.reference)
    assert (noisy > made.mae[made.indices] + 1e-4).all()


@pytest.mark.parametrize("kind", ["layers", "pixels"])
def test_a_sample_is_made_again(both: dict[str, Path], kind: str) -> None:
    samples = SampleStore.open(both[kind]).query("rank = 1", rows="samples").to_pylist()
    assert {row["mode"] for row in samples} == {"reconstruction", "transfer"}
    for mode in ("reconstruction", "transfer"):
        row = next(row for row in samples if row["mode"] == mode)
        again = regenerate(str(both[kind]), row["sample_id"])
        assert (again.equal, again.largest, again.close) == (True, 0, True)


def test_only_large_frames_are_kept_as_layers_unless_asked() -> None:
    frames, _ = draw_clip()
    backbone = build_backbone("layers", {})
    scene = Scene.observed(backbone, backbone.observe(frames), 0)
    assert keeps_layers(scene, (257, 400), None)
    assert not keeps_layers(scene, (256, 400), None)
    assert keeps_layers(scene, (64, 96), "layers")
    assert not keeps_layers(scene, (1080, 1920), "pixels")


def test_what_only_its_model_can_draw_is_not_kept_as_layers() -> None:
    fomm = build_backbone("fomm", TINY_FOMM)
    expect_renderer(fomm, None)
    expect_renderer(fomm, "pixels")
    with pytest.raises(SettingsError, match=r"keep-as: .* fomm is none; use pixels"):
        expect_renderer(fomm, "layers")


def test_the_command_line_keeps_as_asked(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "clips", moving(2), moving(6))
    few = ("--samples", 8, "--keep", 2, "--workers", 0, "--json")
    done = run("generate", clips, "--store", tmp_path / "s", "--keep-as", "layers", *few)
    assert json.loads(done.stdout)["written"] == 2, done.stderr
    store = SampleStore.open(tmp_path / "s")
    assert all(store.load(set_id).layers is not None for set_id in store.set_ids())
