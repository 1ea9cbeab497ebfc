"""A few stills: no item on both sides, pastes with exact masks, a report from cells done once."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from flawcast.configs.errors import ClipError
from flawcast.flows.uplift.detectors import features
from flawcast.flows.uplift.few import FewRequest, uplift_few
from flawcast.flows.uplift.few.arms import ARMS
from flawcast.flows.uplift.few.drawing import draw_stills
from flawcast.flows.uplift.few.making import Maker, paste
from flawcast.flows.uplift.few.scorer import CELLS, Cells, cells_of, judge, learn
from flawcast.flows.uplift.images.frames import as_frame
from flawcast.flows.uplift.images.stills import Still, read_stills
from tests.flows.commands.running import mistake


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey tiles of their own sizes, every other one with a dark bar and its mask."""
    folder = tmp_path_factory.mktemp("few")
    rng = np.random.default_rng(0)
    for number in range(16):
        size = 96 + 8 * (number % 3), 120
        tile = 150 + 6 * rng.standard_normal((*size, 3)) + 10 * rng.standard_normal()
        mask = np.zeros(size, np.uint8)
        if number % 2:
            top, left = int(rng.integers(20, 60)), int(rng.integers(20, 70))
            mask[top : top + 10, left : left + 30] = 255
            tile[mask > 0] -= 70
            cv2.imwrite(str(folder / f"tile_{10 * number}_mask.png"), mask)
        cv2.imwrite(str(folder / f"tile_{10 * number}.png"), tile.clip(0, 255).astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def stills(images: Path) -> list[Still]:
    return read_stills(images, None, r"_(\d+)", 1)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "cache_folder", lambda: tmp_path / "features")


def test_no_item_is_on_both_sides_and_a_smaller_k_is_part_of_a_larger(stills: list[Still]) -> None:
    few, more = (draw_stills(stills, k, 4, seed=1, most=4) for k in (2, 4))
    assert set(few.bad) < set(more.bad)
    assert few.tested == more.tested
    learnt = {stills[index].item for index in (*more.bad, *more.good)}
    assert not learnt & {stills[index].item for index in more.tested}
    with pytest.raises(ClipError, match="lower --k or --gap"):
        draw_stills(stills, 9, 4, seed=1, most=9)


def test_pasted_defects_have_exact_masks(stills: list[Still]) -> None:
    bad, good = (next(one for one in stills if one.defective is kind) for kind in (True, False))
    for seed in range(4):
        frame = paste(bad, good, np.random.default_rng(seed))
        changed = (frame.picture != good.picture).any(axis=2)
        assert changed.sum() > 0.9 * frame.mask.sum()
        assert not (changed & ~frame.mask).any()


def test_every_kind_of_picture_is_made_of_stills_to_learn_from(stills: list[Still]) -> None:
    bad = [one for one in stills if one.defective][:2]
    good = [one for one in stills if not one.defective][:3]
    maker = Maker(bad, good, 6, seed=0)
    cut_outs, pasted = maker.make("cut_outs"), maker.make("cut_paste")
    assert len(pasted) == 6
    assert len(cut_outs) >= 4
    assert all(frame.defective for frame in (*cut_outs, *pasted))
    assert not any(frame.defective for frame in maker.make("harmless"))
    assert all(frame.defective for frame in maker.make("placebos"))
    again = Maker(bad, good, 6, seed=0).make("cut_outs")
    assert all(
        np.array_equal(one.picture, other.picture)
        for one, other in zip(cut_outs, again, strict=True)
    )


def test_the_pixel_classifier_finds_what_it_was_shown(stills: list[Still]) -> None:
    rng = np.random.default_rng(0)
    group = [cells_of(as_frame(still), rng) for still in stills[:8]]
    assert all(len(cells.features) <= CELLS for cells in group)
    scores = learn([group], [1.0])
    bad = [one for one in stills[8:] if one.defective]
    good = [one for one in stills[8:] if not one.defective]
    said = {one.name: judge(scores, one.picture, one.mask) for one in (*bad, *good)}
    assert min(said[one.name].score for one in bad) > max(said[one.name].score for one in good)
    assert said[bad[0].name].inside.sum() == bad[0].mask.sum()
    assert isinstance(group[0], Cells)


def test_the_report_comes_from_cells_that_are_done_once(images: Path, tmp_path: Path) -> None:
    request = FewRequest(
        images=images, out=tmp_path / "out", number=r"_(\d+)", gap=1, k=(1,), seeds=1, good=4,
        copies=3, augmented=1,
    )  # fmt: skip
    first = uplift_few(request)
    cells = sorted((tmp_path / "out" / "cells").iterdir())
    assert len(cells) == len(ARMS)
    times = [path.stat().st_mtime_ns for path in cells]
    assert uplift_few(request) == first
    assert [path.stat().st_mtime_ns for path in cells] == times
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == first
    assert "| 1 | + cut-outs |" in (tmp_path / "out" / "report.md").read_text()
    more = uplift_few(request.model_copy(update={"seeds": 2}))  # further seeds go on there
    assert more["settings"]["seeds"] == 2


def test_the_command_wants_clips_or_a_number(images: Path, tmp_path: Path) -> None:
    said = mistake("uplift-images", images, "--out", tmp_path / "out")
    assert "expected --driving CLIPS or --k N" in said
