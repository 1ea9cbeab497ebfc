"""One set, made in this process: pruned rendering keeps what rendering everything would keep."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.plan import plan_sets
from flawcast.flows.generate.regenerate import regenerate
from flawcast.flows.generate.sample_set import SetRequest, make_set
from flawcast.flows.generate.sampled import sample_set_futures
from flawcast.generators.backbones import build_backbone
from flawcast.generators.backbones.base import ready
from flawcast.generators.clips.frames import to_video
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.model import load_model, shipped_model
from flawcast.generators.rendering.fused import for_inference
from flawcast.generators.rendering.scene import Scene
from flawcast.selection.metrics import mae
from flawcast.selection.pruning import keep_closest
from flawcast.storage import SampleStore

SETTINGS = GenerateSettings(past=4, future=4, samples=12, keep=5)


@pytest.mark.parametrize(
    ("mode", "precision"), [("reconstruction", "fp32"), ("transfer", "fp32"), ("transfer", "int8")]
)
def test_a_set_is_that_of_rendering_everything(
    mode: str, precision: str, line_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    model = load_model(tiny_model)
    clips = model.clip_settings()
    settings = SETTINGS.model_copy(update={"precision": precision})
    request = SetRequest(settings, clips, "run-0", "0")
    plan = plan_sets(line_folder, None, (mode,), settings, clips, model.weights_id, 1)
    store = SampleStore.open(tmp_path / "store", "a")
    frames: list[int] = []
    futures: list[int] = []
    for item in plan.sets:
        made = make_set(item, model, request, futures.append, frames.append)
        everything = sample_set_futures(item, model, request)
        videos = everything.scene.render_all(everything.futures)
        errors = mae(videos, made.reference)
        kept = np.argsort(errors, kind="stable")[: SETTINGS.keep]
        assert made.indices == kept.tolist()
        assert np.array_equal(made.videos, videos[kept])
        assert np.array_equal(made.mae[kept], errors[kept].astype(np.float32))
        assert (made.mae <= errors.astype(np.float32)).all()
        assert store.commit(made)
        again = regenerate(
            store.url, made.sample_id(made.indices[-1]), str(tiny_model), line_folder
        )
        assert again.equal
    assert futures[-1] == SETTINGS.samples
    assert len(frames) == len(plan.sets)
    assert all(5 * 4 <= drawn <= 12 * 4 for drawn in frames)


@pytest.mark.slow
@torch.no_grad()
def test_published_sizes_keep_what_the_plain_model_keeps() -> None:
    """The inference form, pruned, beside every frame of the plain model, at 256x256."""
    plain = ready(build_backbone("fomm", {}, 1))
    source = torch.rand(3, 256, 256, generator=torch.Generator().manual_seed(1))
    appearance = plain.appearance(source)
    noise = torch.randn(7, 4, plain.layout.length, generator=torch.Generator().manual_seed(2))
    placed = plain.keypoints(source[None])[0] + 0.02 * noise.cumsum(1)
    reference, *everything = [to_video(plain.render(appearance, future)) for future in placed]
    errors = mae(np.stack(everything), reference)
    scene = Scene.encode(for_inference(plain), to_video(source[None])[0])

    def draw_frames(pairs: Sequence[tuple[int, int]]) -> NDArray[np.uint8]:
        return scene.draw(torch.stack([placed[1 + future, frame] for future, frame in pairs]))

    found = keep_closest(draw_frames, reference, errors.astype(np.float32), 2, scene.batch)
    assert found.indices.tolist() == np.argsort(errors, kind="stable")[:2].tolist()
    for index, video in zip(found.indices, found.videos, strict=True):
        assert np.abs(video.astype(int) - everything[index]).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["reconstruction", "transfer"])
@pytest.mark.parametrize("precision", ["int8", "bf16"], ids=["integers", "halves"])
def test_other_precisions_keep_nearly_the_same_futures(
    precision: str, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On trained weights: at least 18 of the 20 kept are the same, and look the same."""
    monkeypatch.setenv("FLAWCAST_SLOW_BF16", "1")
    model = load_model(shipped_model())
    clips = model.clip_settings()
    line = write_line(tmp_path / "line", draw_line(2, 501, 24, 64, ("topple", "wobble")))
    sets = {}
    for name in ("fp32", precision):
        settings = GenerateSettings(past=12, future=12, samples=100, keep=20, precision=name)
        plan = plan_sets(line, None, (mode,), settings, clips, model.weights_id, 1).sets
        request = SetRequest(settings, clips, "run-0", "0")
        sets[name] = [make_set(item, model, request) for item in plan]
    for exact, quick in zip(sets["fp32"], sets[precision], strict=True):
        assert np.array_equal(exact.keypoints, quick.keypoints)
        both = sorted(set(exact.indices) & set(quick.indices))
        assert len(both) >= 18
        wanted, found = (
            one.videos[[one.indices.index(index) for index in both]].astype(int)
            for one in (exact, quick)
        )
        assert np.abs(wanted - found).mean() / 255 < 0.01
