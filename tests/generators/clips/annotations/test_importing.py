"""Tracks, boxes, parts and splits; and one clear line for everything that cannot be."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from flawcast.configs.errors import AnnotationError, FlawcastError, SettingsError
from flawcast.generators.clips.annotations.drawing import Drawing
from flawcast.generators.clips.annotations.files import recognise
from flawcast.generators.clips.annotations.importing import import_labels
from flawcast.generators.clips.listing import list_clips
from flawcast.storage import SampleStore
from tests.flows.commands.running import run
from tests.flows.exports.test_exports import masked
from tests.generators.clips.annotations import written
from tests.generators.clips.annotations.test_formats import masks_of
from tests.paths import ROOT

FLAWCAST = Path(sys.executable).with_name("flawcast")
NAMES = [f"jam_{number}.png" for number in range(written.FRAMES)]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    written.write_clip(tmp_path / "clips")
    return tmp_path / "clips"


def cvat_track(shapes: str, label: str = "crack", task: str = "") -> str:
    return (
        f"<annotations><meta><task>{task}<source>jam.mkv</source></task></meta>"
        f'<track id="0" label="{label}">{shapes}</track></annotations>'
    )


def box(frame: int, left: int, outside: int = 0) -> str:
    return (
        f'<box frame="{frame}" outside="{outside}" keyframe="1" xtl="{left}" ytl="4" '
        f'xbr="{left + 6}" ybr="10"/>'
    )


def columns(masks: np.ndarray) -> list[list[int]]:
    """First and last column that each mask marks."""
    found = (np.flatnonzero(mask.any(axis=0)) for mask in masks)
    return [[int(one[0]), int(one[-1])] if len(one) else [] for one in found]


def test_a_track_of_cvat_is_drawn_between_its_keys(clips: Path, tmp_path: Path) -> None:
    shapes = box(1, 4) + box(3, 8) + box(4, 8, outside=1)
    (tmp_path / "a.xml").write_text(cvat_track(shapes))
    done = import_labels(tmp_path / "a.xml", clips, out=tmp_path / "out")
    assert "jam.mkv: 3 boxes are drawn whole" in "".join(done.notes)
    jam = list_clips(tmp_path / "out")[0]
    assert columns(masks_of(jam)) == [[], [4, 9], [6, 11], [8, 13], []]
    assert masks_of(jam)[1].sum() == 36 * 255


def test_a_track_without_an_end_goes_on_to_the_last_frame_of_its_task(
    clips: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.xml").write_text(cvat_track(box(2, 4)))
    import_labels(tmp_path / "a.xml", clips, out=tmp_path / "one")
    assert columns(masks_of(list_clips(tmp_path / "one")[0])) == [[], [], [4, 9], [4, 9], [4, 9]]
    task = "<stop_frame>3</stop_frame>"
    (tmp_path / "a.xml").write_text(cvat_track(box(2, 4), task=task))
    import_labels(tmp_path / "a.xml", clips, out=tmp_path / "two")
    assert columns(masks_of(list_clips(tmp_path / "two")[0])) == [[], [], [4, 9], [4, 9], []]


def test_rectangles_of_label_studio_are_drawn_between_their_keys(
    clips: Path, tmp_path: Path
) -> None:
    """Frames count from 1; one that is not enabled is the last that shows it."""
    side = {"y": 25, "width": 15, "height": 25, "rotation": 0}
    sequence = [
        {"frame": 2, "enabled": True, "x": 10, **side},
        {"frame": 4, "enabled": False, "x": 30, **side},
    ]
    value = {"framesCount": 5, "sequence": sequence, "labels": ["jam"]}
    result = [{"type": "videorectangle", "id": "x", "value": value}]
    task = {
        "data": {"video": "/data/local-files/?d=line/jam.mkv"},
        "annotations": [{"result": result}],
    }
    (tmp_path / "a.json").write_text(json.dumps([task]))
    import_labels(tmp_path / "a.json", clips, out=tmp_path / "out")
    jam = list_clips(tmp_path / "out")[0]
    assert (jam.label, jam.onset) == ("jam", 1)
    assert columns(masks_of(jam)) == [[], [4, 9], [8, 13], [12, 17], []]


def test_stretches_and_choices_are_labels_without_masks(clips: Path, tmp_path: Path) -> None:
    stretch = {"ranges": [{"start": 3, "end": 4}], "timelinelabels": ["slip"]}
    tasks = [
        {"data": {"video": "jam.mkv"},
         "annotations": [{"result": [{"type": "timelinelabels", "value": stretch}]}]},
        {"data": {"video": "other.mkv"},
         "annotations": [{"result": [{"type": "choices", "value": {"choices": ["Good"]}}]}]},
    ]  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(tasks))
    import_labels(tmp_path / "a.json", clips, out=tmp_path / "out")
    jam, other = list_clips(tmp_path / "out")
    assert (jam.label, jam.onset, jam.mask) == ("slip", 2, None)
    assert (other.label, other.onset) == ("normal", None)
    assert other.mask is not None  # somebody looked, and nothing is there
    assert not masks_of(other).any()


def test_boxes_can_be_left_undrawn_and_parts_are_no_defects(clips: Path, tmp_path: Path) -> None:
    both = cvat_track(box(1, 20)).replace(
        "</annotations>", f'<track id="1" label="plate">{box(0, 4)}</track></annotations>'
    )
    (tmp_path / "a.xml").write_text(both)
    drawing = Drawing(parts=("plate",))
    import_labels(tmp_path / "a.xml", clips, out=tmp_path / "one", drawing=drawing)
    jam = list_clips(tmp_path / "one")[0]
    assert (jam.label, jam.onset) == ("crack", 1)
    masks = masks_of(jam)
    assert set(np.unique(masks[0])) == {0, 128}
    assert set(np.unique(masks[1])) == {0, 128, 255}
    (tmp_path / "b.xml").write_text(cvat_track(box(1, 20)))
    import_labels(tmp_path / "b.xml", clips, out=tmp_path / "two", drawing=Drawing(boxes=False))
    jam = list_clips(tmp_path / "two")[0]
    assert (jam.label, jam.onset, jam.mask) == ("crack", 1, None)


def test_a_clip_with_a_frame_for_testing_is_for_testing(tmp_path: Path) -> None:
    written.write_clip(tmp_path / "clips")
    folder = written.yolo(tmp_path / "yolo", [name[:-4] for name in NAMES])
    (folder / "labels" / "test").mkdir()
    (folder / "labels" / "train" / "jam_3.txt").rename(folder / "labels" / "test" / "jam_3.txt")
    done = import_labels(folder, tmp_path / "clips", out=tmp_path / "out")
    assert "several splits; all are taken for test" in "".join(done.notes)
    assert [entry.split for entry in list_clips(tmp_path / "out")] == ["test", "train"]


def test_stills_of_one_folder_stand_for_themselves(tmp_path: Path) -> None:
    written.write_clip(tmp_path / "clips", as_frames=True)
    (tmp_path / "clips" / "other.mkv").unlink()
    file = written.coco(tmp_path / "a.json", [f"{n}.png" for n in range(written.FRAMES)])
    done = import_labels(file, tmp_path / "clips" / "jam", stills=True)
    assert (done.clips, done.masks, done.labels) == (5, 3, {"crack": 3, "normal": 2})
    entries = list_clips(tmp_path / "clips" / "jam")
    assert [entry.name for entry in entries] == [f"{n}.png" for n in range(5)]
    assert [entry.onset for entry in entries] == [None, 0, 0, 0, None]


def test_one_clip_needs_a_folder_for_its_table(clips: Path, tmp_path: Path) -> None:
    file = written.cvat(tmp_path / "a.xml")
    with pytest.raises(SettingsError, match=r"out: expected a folder for labels\.csv"):
        import_labels(file, clips / "jam.mkv")
    import_labels(file, clips / "jam.mkv", out=tmp_path / "out")
    (jam,) = list_clips(tmp_path / "out")
    assert np.array_equal(masks_of(jam) == 255, written.true_masks())


def test_a_file_that_names_no_video_is_about_the_only_clip(clips: Path, tmp_path: Path) -> None:
    (clips / "other.mkv").unlink()
    text = written.cvat(tmp_path / "annotations.xml").read_text()
    (tmp_path / "annotations.xml").write_text(text.replace("<source>jam.mkv</source>", ""))
    import_labels(tmp_path / "annotations.xml", clips)
    assert np.array_equal(masks_of(list_clips(clips)[0]) == 255, written.true_masks())


def broken(kind: str, folder: Path) -> Path:
    """Annotations with one thing wrong."""
    path = folder / "a.json"
    if kind in ("no image", "unnamed", "other size", "number beyond"):
        written.coco(path, [name if kind != "no image" else f"part_{name}" for name in NAMES])
        values = json.loads(path.read_text())
        if kind == "no image":
            values["images"][0]["file_name"] = "absent.png"
        if kind == "unnamed":
            values["categories"] = [{"id": 7}]
        if kind == "other size":
            values["images"][2]["width"] = 80
        if kind == "number beyond":
            values["images"][4]["file_name"] = "jam_77.png"
        path.write_text(json.dumps(values))
        return path
    if kind == "track beyond":
        written.cvat(folder / "a.xml")
        tree = ElementTree.parse(folder / "a.xml")  # noqa: S314
        next(tree.getroot().iter("mask")).set("frame", "9")
        tree.write(folder / "a.xml")
        return folder / "a.xml"
    texts = {
        "no label": ("a.xml", cvat_track(box(0, 4), label="")),
        "torn": ("a.json", '{"images": [], "annotations": '),
        "entities": ("a.xml", "<!DOCTYPE x [<!ENTITY y 'z'>]><annotations/>"),
        "nothing known": ("a.json", '{"hello": 1}'),
        "no number": ("a.xml", cvat_track(box(0, 4).replace('ytl="4"', 'ytl="up"'))),
        "no frame": ("a.xml", cvat_track(box(0, 4).replace('frame="0"', ""))),
        "mini": ("a.json", '[{"data": {"video": "jam.mkv"}}]'),
    }
    name, text = texts[kind]
    (folder / name).write_text(text)
    return folder / name


WRONG = {
    "no image": r"a\.json: there is no picture or clip absent\.png among 2 clips \(jam\.mkv",
    "unnamed": r"a\.json: expected a name for category 7, found none",
    "other size": r"jam\.mkv: expected annotations of 40x24 as its picture, got some of 80x24",
    "number beyond": r"jam\.mkv: expected frames from 0 to 4, got 77",
    "track beyond": r"jam\.mkv: expected tracks that end with the clip, at frame 4, got .* 9",
    "no label": r"a\.xml: track 0: expected a label of each shape",
    "torn": r"a\.json: expected JSON",
    "entities": r"a\.xml: expected XML without entities",
    "nothing known": r"expected coco, yolo, cvat, .* it is of none that is known; name it with",
    "no number": r"a\.xml: track 0: expected an annotation, got could not convert",
    "no frame": r"a\.xml: track 0: expected frames from 0, got -1",
    "mini": r"a\.json: task jam\.mkv: expected annotations; export the tasks as JSON, not",
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    kind: str, clips: Path, tmp_path: Path
) -> None:
    file = broken(kind, tmp_path)
    with pytest.raises(FlawcastError, match=WRONG[kind]) as caught:
        import_labels(file, clips, out=tmp_path / "out")
    assert "\n" not in str(caught.value)
    with pytest.raises(FlawcastError, match=WRONG[kind]):
        import_labels(file, clips)
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in clips.iterdir()) == ["jam.mkv", "other.mkv"]


def test_pictures_that_are_not_there_can_be_left_out(clips: Path, tmp_path: Path) -> None:
    file = written.coco(tmp_path / "a.json", ["absent.png", *NAMES[1:]])
    done = import_labels(file, clips, out=tmp_path / "out", partly=True)
    assert done.named == 1
    assert "1 pictures and tracks that are not among the clips are left out" in done.notes


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    folder = written.mvtec(tmp_path / "nut")
    Image.new("L", (9, 9), 255).save(folder / "ground_truth" / "crack" / "002_mask.png")
    with pytest.raises(AnnotationError, match=r"002_mask\.png: expected a mask of 40x24 .* 9x9"):
        import_labels(folder, folder, out=tmp_path / "out")


def test_nothing_is_overwritten(clips: Path, tmp_path: Path) -> None:
    file = written.cvat(tmp_path / "a.xml")
    import_labels(file, clips)
    with pytest.raises(SettingsError, match=r"expected no labels\.csv in .*; name a new folder"):
        import_labels(file, clips)
    with pytest.raises(SettingsError, match="expected a folder that does not exist yet"):
        import_labels(file, clips, out=tmp_path)
    with pytest.raises(SettingsError, match="annotation format: expected one of coco, cvat"):
        import_labels(file, clips, kind="pascal", out=tmp_path / "out")
    again = import_labels(file, clips, out=tmp_path / "out")  # labels.csv of before is read
    assert again.labels == {"": 1, "crack": 1}


def test_a_folder_of_two_formats_has_to_be_named(clips: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    both.mkdir()
    written.cvat(both / "a.xml")
    written.coco(both / "b.json", NAMES)
    with pytest.raises(AnnotationError, match="it may be coco or cvat; name it with --format"):
        recognise(both)
    assert import_labels(both, clips, kind="cvat", out=tmp_path / "out").masks == 1


def test_the_command_says_what_it_did(clips: Path, tmp_path: Path) -> None:
    file, out = written.cvat(tmp_path / "a.xml"), tmp_path / "out"
    asked = [FLAWCAST, "import-labels", file, clips, "--out", out]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{out}: 2 clips, 1 of them in a.xml (cvat), 1 with masks\n")
    bad = subprocess.run([*asked[:-1], out, "--json"], capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert bad.stderr.count("\n") == 1


def test_the_commands_of_the_document_run(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written.cvat(tmp_path / "annotations.xml")
    store = SampleStore.open(tmp_path / "demo" / "store", "a")
    store.commit(masked(0))
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "formats.md").read_text()
    lines = "".join(re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)).splitlines()
    assert len(lines) == 3
    for line in lines:
        done = run(*shlex.split(line)[1:])
        assert done.returncode == 0, (line, done.stderr)
    assert (tmp_path / "made-yolo" / "data.yaml").is_file()
