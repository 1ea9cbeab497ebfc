"""Masks from the clip to the store: carried where they are drawn, motion where they are not."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.benchmarks import BENCHMARKS, BenchmarkRequest
from flawcast.flows.generate.masks import make_masks
from flawcast.flows.generate.plan import plan_sets
from flawcast.flows.generate.sample_set import SetRequest, make_set
from flawcast.flows.generate.sampled import sample_set_futures
from flawcast.generators.clips.masks import levels_of
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.model import Model, load_model
from flawcast.generators.rendering.carried_masks import carry_levels
from flawcast.storage import SampleSet, SampleStore

SETTINGS = GenerateSettings(past=4, future=4, samples=6, keep=3)
READ = ClipSettings(size=32)
REQUEST = SetRequest(SETTINGS, READ, "run-0", "0")
BOTH = ("reconstruction", "transfer")


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model)


def made_sets(clips: Path, model: Model, modes: tuple[str, ...] = BOTH) -> list[SampleSet]:
    plan = plan_sets(clips, None, modes, SETTINGS, READ, model.weights_id, masks=True)
    assert not plan.rejects
    return [make_set(item, model, REQUEST) for item in plan.sets]


def test_sets_of_clips_with_masks_carry_them(
    line_folder: Path, model: Model, tmp_path: Path
) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    for made in made_sets(line_folder, model):
        assert store.commit(made)
        kept = store.load(made.id)
        assert kept.masks is not None
        assert kept.valid is not None
        assert kept.mask_kind == "drawn"
        assert kept.masks.shape == kept.valid.shape == kept.videos.shape[:-1]
        assert set(np.unique(kept.masks)) <= {0, 128, 255}
        assert (kept.masks > 0).any()
        assert np.array_equal(kept.masks, made.masks)
    assert store.verify(ids=True) == []
    assert store.query("masks = 'drawn'").num_rows == 6
    store.compact()
    assert store.query("masks = 'drawn'", rows="samples").num_rows == 18
    assert store.verify(ids=True) == []


def test_masks_decide_the_id_and_nothing_else(line_folder: Path, model: Model) -> None:
    asked = (line_folder, None, BOTH, SETTINGS, READ, model.weights_id)
    with_masks, without = (plan_sets(*asked, masks=masks) for masks in (True, False))
    for one, other in zip(with_masks.sets, without.sets, strict=True):
        assert one.set_id != other.set_id
    masked, plain = (make_set(plan.sets[0], model, REQUEST) for plan in (with_masks, without))
    assert np.array_equal(masked.videos, plain.videos)
    assert (plain.masks, plain.valid, plain.mask_kind) == (None, None, None)


def test_without_masks_the_motion_is_compared(
    line_folder: Path, model: Model, tmp_path: Path
) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for path in line_folder.glob("*.mkv"):
        shutil.copy(path, clips)
    for made in made_sets(clips, model, ("reconstruction",)):
        assert made.mask_kind == "motion"
        assert made.masks is not None
        assert made.masks.any()


def test_the_usual_motion_differs_nowhere_from_itself(line_folder: Path, model: Model) -> None:
    plan = plan_sets(line_folder, None, ("reconstruction",), SETTINGS, READ, model.weights_id)
    drawn = sample_set_futures(plan.sets[0], model, REQUEST)
    same = drawn.keypoints[4:].expand(5, -1, -1)
    maps = make_masks("motion", drawn.scene, same, [0, 3], None)
    assert not maps.maps.any()
    moved = torch.cat([same, same[:1] + 0.2])
    assert make_masks("motion", drawn.scene, moved, [5], None).maps.any()


def test_a_source_before_the_onset_asks_the_motion(model: Model, tmp_path: Path) -> None:
    """An empty mask that is carried along would deny the defect that comes later."""
    clip = next(iter(draw_line(1, seed=5, frames=8, states=("jam",))))
    parts = np.zeros_like(clip.part_masks)
    defects = parts.copy()
    defects[6:, 10:20, 10:20] = True
    for name, drawn in (("later", defects), ("never", parts)):
        changed = type(clip)(**{**vars(clip), "part_masks": parts, "defect_masks": drawn})
        write_line(tmp_path / name, [changed])
    (later,) = made_sets(tmp_path / "later", model, ("reconstruction",))
    (never,) = made_sets(tmp_path / "never", model, ("reconstruction",))
    assert later.mask_kind == "motion"
    assert never.mask_kind == "drawn"
    assert never.masks is not None
    assert not never.masks.any()


def test_unreadable_masks_are_a_reason_to_leave_a_clip_out(
    line_folder: Path, model: Model, tmp_path: Path
) -> None:
    clips = shutil.copytree(line_folder, tmp_path / "clips")
    (clips / "masks" / "jam_000_mask.mkv").write_bytes(b"no video")
    asked = (clips, None, ("reconstruction",), SETTINGS, READ, model.weights_id)
    plan = plan_sets(*asked, masks=True)
    assert [reject.name for reject in plan.rejects] == ["jam_000.mkv"]
    assert "masks" in plan.rejects[0].reason
    assert len(plan_sets(*asked).sets) == 3


def test_levels_of_masks() -> None:
    grey = np.array([[[0, 127, 128, 129, 250, 255]]], np.uint8)
    assert levels_of(grey).tolist() == [[[0, 128, 128, 128, 255, 255]]]
    assert levels_of(np.array([[[0, 1, 3]]], np.uint8)).tolist() == [[[0, 255, 255]]]


def test_a_still_rendering_leaves_levels_where_they_are(line_folder: Path, model: Model) -> None:
    plan = plan_sets(line_folder, None, ("reconstruction",), SETTINGS, READ, model.weights_id)
    drawn = sample_set_futures(plan.sets[0], model, REQUEST)
    levels = np.zeros((32, 32), np.uint8)
    levels[8:24, 8:24] = 128
    levels[12:16, 12:16] = 255
    renderings = list(drawn.scene.renderings(drawn.keypoints[:1]))
    size = renderings[0].deformation.shape[1:3]
    rows, columns = (torch.arange(extent) * 2 + 1.0 for extent in size)
    still = torch.stack(
        torch.meshgrid(columns / size[1] - 1, rows / size[0] - 1, indexing="xy"), dim=-1
    )
    held = type(renderings[0])(renderings[0].frames, still[None], None)
    carried = carry_levels(levels, [held])
    assert np.array_equal(carried.maps[0], levels)
    assert carried.valid.all()


def test_provenance_is_of_the_source(line_folder: Path, model: Model) -> None:
    (made, *_) = made_sets(line_folder, model)
    assert '"source_split": "train"' in made.provenance.settings


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_masks_of_kept_futures_agree_with_what_happened() -> None:
    """Intersection over union with the line's true part masks, on clips that no model has seen."""
    found = []
    for seed in (77, 78):
        request = BenchmarkRequest(model="demo", clips_per_state=2, seed=seed, samples=50)
        *_, everything = BENCHMARKS["kept-masks"](request, lambda done, total: None).rows
        found.append((everything["kept futures"], everything["left where it was"]))
    carried, still = np.mean(np.array(found, float), axis=0)
    assert carried >= 0.75
    assert carried > still + 0.3
