"""The experiment on stills: masks ride along, items stay on one side, scores count all pixels."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from flawcast.configs.errors import ClipError, SettingsError
from flawcast.flows.uplift.images import ImagesRequest, uplift_images
from flawcast.flows.uplift.images.arms import ARMS
from flawcast.flows.uplift.images.frames import as_frame, move, read_motions
from flawcast.flows.uplift.images.scorer import PIXELS, features, judge, look, train
from flawcast.flows.uplift.images.stills import read_stills
from flawcast.generators.backbones import load_backbone
from flawcast.generators.backbones.base import BACKBONE_FILE
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.selection.detection_scores import binned_average_precision, draw_items
from flawcast.selection.folds import deal_folds


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey tiles, every other one with a dark spot and its mask; two pictures of each item."""
    folder, rng = tmp_path_factory.mktemp("stills"), np.random.default_rng(0)
    for number in range(12):
        picture = np.clip(150 + 12 * rng.standard_normal((48, 40, 3)), 0, 255).astype(np.uint8)
        mask = np.zeros((48, 40), np.uint8)
        if number % 4 < 2:
            middle = (int(rng.integers(10, 30)), int(rng.integers(10, 38)))
            cv2.circle(picture, middle, 5, (20, 20, 20), -1)
            cv2.circle(mask, middle, 5, 255, -1)
            cv2.imwrite(str(folder / f"tile_{number // 2 * 100 + number % 2}_mask.png"), mask)
        cv2.imwrite(str(folder / f"tile_{number // 2 * 100 + number % 2}.png"), picture)
    return folder


def test_near_numbers_are_of_one_item_and_stay_in_one_fold(images: Path) -> None:
    stills = read_stills(images, 32, r"_(\d+)", 1)
    assert len(stills) == 12
    assert len({still.item for still in stills}) == 6
    assert sum(still.defective for still in stills) == 6
    items = np.array([still.item for still in stills])
    defective = np.array([still.defective for still in stills], np.int64)
    fold = deal_folds(items, defective, 3, seed=0)
    for item in range(6):
        assert len({fold[i] for i, still in enumerate(stills) if still.item == item}) == 1
    assert sorted(np.bincount(fold)) == [4, 4, 4]


def test_a_moved_still_keeps_its_defect(images: Path, tiny_model: Path, line_folder: Path) -> None:
    backbone = load_backbone(tiny_model / BACKBONE_FILE)
    motions = read_motions(line_folder, backbone, 32)
    stills = read_stills(images, 32, r"_(\d+)", 1)
    bad, good = stills[0], stills[2]
    assert bad.defective
    assert not good.defective
    moved = move(bad, motions, backbone, 2, seed=0)
    assert all((frame.mask & frame.valid).sum() >= bad.mask.sum() / 4 for frame in moved)
    frames = move(good, motions, backbone, 2, seed=0)
    assert len(frames) == 2
    assert not any(frame.defective for frame in frames)
    assert np.array_equal(move(good, motions, backbone, 2, 0)[1].picture, frames[1].picture)


def test_a_scorer_finds_what_is_blatant(images: Path, rng: np.random.Generator) -> None:
    stills = read_stills(images, 32, r"_(\d+)", 1)
    pixels = [look(as_frame(still), features(still.picture), rng) for still in stills[:8]]
    assert len(pixels[0].features) == PIXELS
    trained = train(pixels, np.full(8, 1 / 8), 60, seed=0)
    seen = [features(still.picture) for still in stills[8:]]
    found = [judge(trained, one, still.mask) for one, still in zip(seen, stills[8:], strict=True)]
    assert min(found[0].score, found[1].score) > max(found[2].score, found[3].score)
    inside, outside = (sum(getattr(one, side) for one in found) for side in ("inside", "outside"))
    assert binned_average_precision(inside, outside) > 0.8


def test_precision_of_bins_by_hand() -> None:
    assert binned_average_precision(np.array([0, 2]), np.array([3, 0])) == 1
    assert binned_average_precision(np.array([1, 0]), np.array([0, 1])) == 0.5


def test_draws_hold_whole_items_and_both_kinds(rng: np.random.Generator) -> None:
    items, defective = np.array([0, 0, 1, 1]), np.array([True, True, False, False])
    draw = draw_items(items, defective)
    for _ in range(20):
        assert sorted(draw(rng)) == [0, 1, 2, 3]


def test_the_report_comes_from_cells_that_are_done_once(
    images: Path, tiny_model: Path, line_folder: Path, tmp_path: Path
) -> None:
    pictures = Path(shutil.copytree(images, tmp_path / "pictures"))
    request = ImagesRequest(
        images=pictures, driving=line_folder, out=tmp_path / "out", model=str(tiny_model),
        number=r"_(\d+)", gap=1, folds=2, seeds=1, copies=1, steps=3,
    )  # fmt: skip
    first = uplift_images(request)
    cells = sorted((tmp_path / "out" / "cells").iterdir())
    assert len(cells) == len(ARMS)
    times = [path.stat().st_mtime_ns for path in cells]
    assert uplift_images(request) == first
    assert [path.stat().st_mtime_ns for path in cells] == times
    report = (tmp_path / "out" / "report.md").read_text()
    assert "Arms that hurt" in report
    assert "12 pictures of 6 items, 6 of them defective" in report
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == first
    with pytest.raises(SettingsError, match="another steps"):
        uplift_images(request.model_copy(update={"steps": 4}))
    write_line(tmp_path / "other", draw_line(1, 9, 12, 64, ("jam",)))
    with pytest.raises(SettingsError, match="another motions"):
        uplift_images(request.model_copy(update={"driving": tmp_path / "other"}))
    (pictures / "tile_0.png").write_bytes((pictures / "tile_1.png").read_bytes())
    with pytest.raises(SettingsError, match="another pictures"):
        uplift_images(request)


def test_pictures_without_a_number_or_a_second_item_are_refused(images: Path) -> None:
    with pytest.raises(ClipError, match="expected a number where --number"):
        read_stills(images, 32, r"item(\d+)", 1)
    for pattern in (r"(x\d+)?", "("):
        with pytest.raises(ClipError, match="expected a number where --number"):
            read_stills(images, 32, pattern, 1)
    with pytest.raises(ClipError, match="at least two defective items"):
        read_stills(images, 32, r"_(\d+)", 1000)


@pytest.mark.parametrize("name", ["tile_200_mask.bmp", "tile_201_mask.PNG", "tile_9_mask.png"])
def test_a_mask_that_no_picture_has_is_named(name: str, images: Path, tmp_path: Path) -> None:
    pictures = Path(shutil.copytree(images, tmp_path / "pictures"))
    (pictures / "tile_0_mask.png").rename(pictures / name)
    with pytest.raises(ClipError, match=rf"{name}: expected NAME_mask.png beside the picture"):
        read_stills(pictures, 32, r"_(\d+)", 1)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ClipError, match=r"expected pictures in .*empty, found none"):
        read_stills(tmp_path / "empty", 16, r"_(\d+)", 1)
    with pytest.raises(ClipError, match="expected a folder of pictures"):
        read_stills(tmp_path / "none", 32, r"_(\d+)", 1)
