"""Every format gives the true masks, the label, the onset and the split of the same clip."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawcast.configs.clip_settings import ClipSettings
from flawcast.flows.inspection import view_folder
from flawcast.generators.clips import ClipEntry, read_clip, read_masks
from flawcast.generators.clips.annotations import outlines
from flawcast.generators.clips.annotations.base import READERS
from flawcast.generators.clips.annotations.importing import import_labels
from flawcast.generators.clips.listing import list_clips
from flawcast.generators.defects.bank import Bank, add_pictures
from tests.generators.clips.annotations import written

NATIVE = ClipSettings(size=512, fit="keep")
OF_FRAMES = [f"frame_{number:06d}.PNG" for number in range(written.FRAMES)]
OF_FOLDER = [f"jam/{number}.png" for number in range(written.FRAMES)]


def masks_of(entry: ClipEntry) -> np.ndarray:
    """The masks that flawcast reads for a clip."""
    clip = read_clip(entry.path, NATIVE)
    masks = read_masks(entry, NATIVE, len(clip.frames))
    assert masks is not None
    return masks


def write_coco(folder: Path, names: list[str]) -> Path:
    return written.coco(folder / "instances.json", names)


def write_plain_coco(folder: Path, names: list[str]) -> Path:
    return written.coco(folder / "instances.json", names, packed=False)


def write_coco_polygons(folder: Path, names: list[str]) -> Path:
    return written.coco(folder / "instances.json", names, polygons=True)


def write_yolo(folder: Path, names: list[str]) -> Path:
    return written.yolo(folder / "yolo", [Path(name).stem for name in names])


def write_cvat(folder: Path, names: list[str]) -> Path:
    return written.cvat(folder / "annotations.xml", "C:\\line\\jam.mkv")


def write_labelme(folder: Path, names: list[str]) -> Path:
    return written.labelme(folder / "labelme", names)


def write_labelme_polygons(folder: Path, names: list[str]) -> Path:
    return written.labelme(folder / "labelme", names, masks=False)


def write_label_studio(folder: Path, names: list[str]) -> Path:
    return written.label_studio(folder / "tasks.json", names)


VIDEO_WAYS = {
    "coco": write_coco,
    "coco-plain": write_plain_coco,
    "coco-polygons": write_coco_polygons,
    "yolo": write_yolo,
    "cvat": write_cvat,
    "labelme": write_labelme,
    "labelme-polygons": write_labelme_polygons,
    "label-studio": write_label_studio,
}


@pytest.mark.parametrize("way", VIDEO_WAYS)
def test_frames_of_a_video_get_their_masks(way: str, tmp_path: Path) -> None:
    """Names as programs give them to frames: `jam_000003`, with numbers from 0."""
    written.write_clip(tmp_path / "clips")
    names = [f"jam_{number:06d}.png" for number in range(written.FRAMES)]
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "clips").iterdir())
    file = VIDEO_WAYS[way](tmp_path, names)
    done = import_labels(file, tmp_path / "clips", out=tmp_path / "out")
    assert done.format == way.removesuffix("-plain").removesuffix("-polygons")
    assert (done.clips, done.masks, done.labels["crack"]) == (2, 2 if way == "yolo" else 1, 1)
    jam, other = list_clips(tmp_path / "out")
    assert (jam.label, jam.onset, jam.split) == ("crack", 1, "train" if way == "yolo" else "")
    assert other.label == ("normal" if way == "yolo" else "unlabelled")
    assert np.array_equal(masks_of(jam) == 255, written.true_masks())
    assert sorted((path, path.stat().st_mtime_ns)
                  for path in (tmp_path / "clips").iterdir()) == before  # fmt: skip
    view = view_folder(tmp_path / "out")
    assert not view.rejects
    assert "labels.csv" in "".join(view.lines())


@pytest.mark.parametrize("way", ["coco", "labelme", "label-studio"])
def test_pictures_are_the_frames_of_their_folder(way: str, tmp_path: Path) -> None:
    written.write_clip(tmp_path / "clips", as_frames=True)
    names = [name.removeprefix("jam/") for name in OF_FOLDER] if way != "coco" else OF_FOLDER
    done = import_labels(VIDEO_WAYS[way](tmp_path, names), tmp_path / "clips")
    assert done.folder == str(tmp_path / "clips")
    jam = list_clips(tmp_path / "clips")[0]
    assert (jam.name, jam.label, jam.onset) == ("jam", "crack", 1)
    assert np.array_equal(masks_of(jam) == 255, written.true_masks())


@pytest.mark.parametrize("kind", ["mvtec", "visa"])
def test_stills_of_public_data_sets(kind: str, tmp_path: Path) -> None:
    """Each picture stands for itself; the bank of defects takes the masks from labels.csv."""
    folder = {"mvtec": written.mvtec, "visa": written.visa}[kind](tmp_path / "nut")
    done = import_labels(folder, folder, out=tmp_path / "out")
    assert (done.format, done.clips, done.masks) == (kind, 5, 3)
    assert done.labels == {"crack": 3, "normal": 2}
    assert done.splits == {"test": 3, "train": 2}
    entries = list_clips(tmp_path / "out")
    assert len(entries) == 5
    truth = written.true_masks()
    for entry in entries:
        number = int(entry.path.stem)
        assert entry.label == ("crack" if truth[number].any() else "normal")
        if entry.mask is not None:
            with Image.open(entry.mask) as image:
                assert np.array_equal(np.asarray(image) == 255, truth[number])
    table = tmp_path / "out" / "labels.csv"
    table.write_text(table.read_text().replace(",test,", ",train,"))
    for path in (tmp_path / "out").rglob("test"):
        path.rename(path.with_name("more"))
    table.write_text(table.read_text().replace("test/", "more/"))
    added = add_pictures(tmp_path / "out", Bank(tmp_path / "bank"))
    assert [item.label for item in added.items] == ["crack"] * 3


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_the_rules_of_the_owners_fill_polygons_alike() -> None:
    """Pycocotools fills what lies inside corners that are no pixels' centres."""
    coco_masks = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        angle = np.sort(rng.uniform(0, 2 * np.pi, 9))
        radius = rng.uniform(12, 40, 9)
        points = np.column_stack([60 + radius * np.cos(angle), 50 + radius * np.sin(angle)])
        ours = outlines.filled_polygons([points], (100, 120))
        runs = coco_masks.frPyObjects([points.ravel().tolist()], 100, 120)
        theirs = coco_masks.decode(runs)[..., 0] > 0
        shares.append((ours & theirs).sum() / (ours | theirs).sum())
    assert np.mean(shares) > 0.94
    assert min(shares) > 0.85


def test_every_format_is_a_file_of_its_own() -> None:
    assert READERS.names() == [
        "coco", "cvat", "label-studio", "labelme", "mvtec", "visa", "yolo",
    ]  # fmt: skip
