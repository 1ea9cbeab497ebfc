"""The bank: every kind of annotation, the leak guard, and files that a person can read."""

import base64
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_masks

from flawcast.configs.errors import ClipError, DefectError, LeakError
from flawcast.generators.clips.annotations.outlines import packed_run_lengths
from flawcast.generators.defects.bank import Bank, add_pictures
from flawcast.generators.defects.cut_outs import make_cut_out
from flawcast.generators.defects.making import Order
from flawcast.generators.defects.placement import Wish
from tests.generators.defects.hosts import smooth_host

CORNERS = [(30.0, 20.0), (60.0, 24.0), (58.0, 34.0), (31.0, 30.0)]


def polygon_mask() -> NDArray[np.bool_]:
    mask = np.zeros((64, 96), np.uint8)
    points = np.round((np.array(CORNERS) - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [points], 1, cv2.LINE_8, 4)
    return mask > 0


def write_still(path: Path, seed: int = 0) -> Path:
    """A rough gray still with a dark patch where the polygon is."""
    rng = np.random.default_rng(seed)
    picture = 150 + rng.normal(0, 5, (64, 96, 3))
    picture[polygon_mask()] -= 60
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path)
    return path


def with_mask(folder: Path) -> None:
    Image.fromarray(polygon_mask().astype(np.uint8) * 255).save(folder / "a_mask.png")


def with_labelme(folder: Path) -> None:
    shape = {"label": "rust", "points": CORNERS, "shape_type": "polygon"}
    (folder / "a.json").write_text(json.dumps({"shapes": [shape]}))


def with_yolo(folder: Path) -> None:
    shares = " ".join(f"{x / 96} {y / 64}" for x, y in CORNERS)
    (folder / "a.txt").write_text(f"1 {shares}\n")
    (folder / "data.yaml").write_text("names: [good, rust]\n")


def coco(folder: Path, outline: object) -> None:
    values = {
        "images": [{"id": 4, "file_name": "a.png"}],
        "categories": [{"id": 2, "name": "rust"}],
        "annotations": [{"image_id": 4, "category_id": 2, "segmentation": outline}],
    }
    (folder / "instances.json").write_text(json.dumps(values))


def with_coco(folder: Path) -> None:
    coco(folder, [np.array(CORNERS).ravel().tolist()])


def with_packed_coco(folder: Path) -> None:
    packed = coco_masks.encode(np.asfortranarray(polygon_mask().astype(np.uint8)))
    coco(folder, {"size": [64, 96], "counts": packed["counts"].decode()})


def with_cvat(folder: Path) -> None:
    points = ";".join(f"{x},{y}" for x, y in CORNERS)
    (folder / "annotations.xml").write_text(
        f'<annotations><image name="a.png"><polygon label="rust" points="{points}"/></image>'
        "</annotations>"
    )


def with_cvat_mask(folder: Path) -> None:
    mask = polygon_mask()[10:50, 20:70].ravel()
    borders = np.flatnonzero(np.diff(mask.astype(int))) + 1
    counts = np.diff([0, *borders, len(mask)])
    runs = ", ".join(map(str, counts))
    (folder / "annotations.xml").write_text(
        f'<annotations><image name="a.png"><mask label="rust" rle="{runs}" left="20" top="10" '
        'width="50" height="40"/></image></annotations>'
    )


WAYS = [
    with_mask,
    with_labelme,
    with_yolo,
    with_coco,
    with_packed_coco,
    with_cvat,
    with_cvat_mask,
]


@pytest.mark.parametrize("annotate", WAYS, ids=lambda way: way.__name__.removeprefix("with_"))
def test_every_annotation_gives_the_same_item(annotate: object, tmp_path: Path) -> None:
    write_still(tmp_path / "stills" / "a.png")
    annotate(tmp_path / "stills")  # type: ignore[operator]
    bank = Bank(tmp_path / "bank")
    added = add_pictures(tmp_path / "stills", bank, licence="CC BY 4.0")
    (item,) = added.items
    assert item.label == ("defect" if annotate is with_mask else "rust")
    assert (item.source, item.licence, item.measured_by) == ("a.png", "CC BY 4.0", "picture")
    assert item.pixels == pytest.approx(polygon_mask().sum(), abs=8)
    assert item.length == pytest.approx(30 / 96, abs=0.03)
    assert item.angle == pytest.approx(5, abs=5)
    assert item.contrast > 5
    (again,) = Bank(tmp_path / "bank")
    assert again == item
    cut = bank.cut_out(item)
    assert cut.mask.sum() == item.pixels
    assert cut.picture.shape == (item.height, item.width, 3)
    assert cut.picture[cut.mask].mean() < cut.picture[~cut.mask].mean() - 40
    twice = add_pictures(tmp_path / "stills", Bank(tmp_path / "bank"))
    assert (len(twice.items), twice.known) == (0, 1)


def test_a_person_can_read_the_bank(tmp_path: Path) -> None:
    write_still(tmp_path / "stills" / "rust" / "a.png")
    with_mask(tmp_path / "stills" / "rust")
    (item,) = add_pictures(tmp_path / "stills", Bank(tmp_path / "bank")).items
    assert item.label == "rust"
    (row,) = pq.read_table(tmp_path / "bank" / "items.parquet").to_pylist()
    assert row["source"] == "rust/a.png"
    names = sorted(path.relative_to(tmp_path / "bank").as_posix()
                   for path in (tmp_path / "bank").rglob("*.*"))  # fmt: skip
    assert names == ["items.parquet", f"masks/{item.item_id}.png", f"pictures/{item.item_id}.png"]


def test_the_part_gives_the_size(tmp_path: Path) -> None:
    write_still(tmp_path / "a.png")
    levels = np.zeros((64, 96), np.uint8)
    levels[10:50, 20:80] = 128
    levels[polygon_mask()] = 255
    Image.fromarray(levels).save(tmp_path / "a_mask.png")
    (item,) = add_pictures(tmp_path, Bank(tmp_path / "bank")).items
    assert item.measured_by == "part"
    assert item.length == pytest.approx(0.5, abs=0.04)


def test_test_stills_never_enter(tmp_path: Path) -> None:
    stills = tmp_path / "stills"
    for number, name in enumerate(("train/rust/a.png", "test/rust/b.png", "train/rust/d.png")):
        path = write_still(stills / name, number)
        Image.fromarray(polygon_mask().astype(np.uint8) * 255).save(
            path.with_name(f"{path.stem}_mask.png")
        )
    copy = stills / "train" / "rust" / "c.png"
    shutil.copy(stills / "test" / "rust" / "b.png", copy)
    shutil.copy(stills / "test" / "rust" / "b_mask.png", copy.with_name("c_mask.png"))
    bank = Bank(tmp_path / "bank")
    added = add_pictures(stills, bank, test=[stills / "train" / "rust" / "d.png"])
    assert [item.source for item in added.items] == ["train/rust/a.png"]
    refused = {reject.name for reject in added.left_out if "test split" in reject.reason}
    assert refused == {"test/rust/b.png", "train/rust/c.png", "train/rust/d.png"}
    bank.refuse_leaks([copy])
    with pytest.raises(LeakError, match=r"got 1: defect-\w+ of train/rust/a.png; make a bank"):
        bank.refuse_leaks([stills / "train" / "rust" / "a.png"])


def test_labels_csv_gives_label_and_split(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        write_still(tmp_path / f"{name}.png", number)
        Image.fromarray(polygon_mask().astype(np.uint8) * 255).save(tmp_path / f"{name}_mask.png")
    (tmp_path / "labels.csv").write_text("file,label,split\na.png,burr,train\nb.png,burr,test\n")
    added = add_pictures(tmp_path, Bank(tmp_path / "bank"))
    assert [(item.label, item.source) for item in added.items] == [("burr", "a.png")]


def test_stills_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    for name in ("empty", "wrong", "plain", "boxes"):
        write_still(tmp_path / f"{name}.png")
    Image.fromarray(np.zeros((64, 96), np.uint8)).save(tmp_path / "empty_mask.png")
    Image.fromarray(np.full((20, 30), 255, np.uint8)).save(tmp_path / "wrong_mask.png")
    (tmp_path / "boxes.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (tmp_path / "torn.png").write_bytes(base64.b64decode("iVBORw0KGgo="))
    added = add_pictures(tmp_path, Bank(tmp_path / "bank"))
    reasons = {reject.name: reject.reason for reject in added.left_out}
    assert "marks a defect, got an empty one" in reasons["empty.png"]
    assert "expected a mask of 96x64 as its picture, got 30x20" in reasons["wrong.png"]
    assert "no defect is marked" in reasons["plain.png"]
    assert "got boxes, which are no masks" in reasons["boxes.png"]
    assert "torn.png" in reasons
    assert all("\n" not in reason for reason in reasons.values())
    assert not added.items


def test_bad_banks_and_folders_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DefectError, match=r"expected stills in .*, found none"):
        add_pictures(tmp_path, Bank(tmp_path / "bank"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "note.txt").write_text("no bank")
    with pytest.raises(DefectError, match=r"expected items\.parquet in"):
        Bank(tmp_path / "other")
    (tmp_path / "new").mkdir()
    newer = pa.table({"item_id": ["a"]}).replace_schema_metadata({"flawcast.defect_bank": "9"})
    pq.write_table(newer, tmp_path / "new" / "items.parquet")
    with pytest.raises(DefectError, match=r"expected version 1, .* is of version 9"):
        Bank(tmp_path / "new")
    write_still(tmp_path / "stills" / "a.png")
    (tmp_path / "stills" / "annotations.xml").write_text("<!DOCTYPE x [<!ENTITY y 'z'>]><x/>")
    with pytest.raises(DefectError, match=r"annotations\.xml: expected XML without entities"):
        add_pictures(tmp_path / "stills", Bank(tmp_path / "bank"))
    (tmp_path / "stills" / "annotations.xml").unlink()
    (tmp_path / "stills" / "labels.csv").write_text("name\na.png\n")
    with pytest.raises(ClipError, match="expected the columns"):
        add_pictures(tmp_path / "stills", Bank(tmp_path / "bank"))
    with pytest.raises(DefectError, match="'defect-0' names 0"):
        Bank(tmp_path / "bank")["defect-0"]


def test_an_item_is_put_on_a_part(tmp_path: Path) -> None:
    write_still(tmp_path / "a.png")
    with_labelme(tmp_path)
    bank = Bank(tmp_path / "bank")
    (item,) = add_pictures(tmp_path, bank).items
    layer = make_cut_out(
        smooth_host(), Order("cut_out", Wish(item.length), 0.5, 1), bank.cut_out(bank["defect-"])
    )
    assert (layer.label, layer.source_id) == ("rust", item.item_id)
    assert layer.mask().any()


def test_packed_run_lengths_are_those_of_coco() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = cv2.GaussianBlur(rng.normal(0, 1, (40, 70)), (0, 0), rng.uniform(0.1, 6)) > 0
        packed = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
        counts = packed_run_lengths(packed["counts"].decode())
        flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        assert np.array_equal(flat.reshape(70, 40).T, mask)
