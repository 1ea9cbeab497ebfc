"""One clip and its true masks, annotated as each program writes annotations.

The writers follow the published formats and share no code with the readers, except that polygons
are traced by `flawcast.flows.exports.objects.outlines`, which has tests of its own.
"""

import base64
import csv
import io
import itertools
import json
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_masks

from flawcast.flows.exports.objects import outlines
from flawcast.generators.clips.video_files import write_ffv1
from tests.generators.clips.clip_files import write_frames

FRAMES, HEIGHT, WIDTH = 5, 24, 40
ONSET = 1
Masks = NDArray[np.bool_]


def true_masks() -> Masks:
    """A ring and a speck that move; nothing in the first and in the last frame."""
    masks = np.zeros((FRAMES, HEIGHT, WIDTH), bool)
    for time in range(ONSET, FRAMES - 1):
        masks[time, 5:15, 4 + 3 * time : 16 + 3 * time] = True
        masks[time, 8:11, 8 + 3 * time : 11 + 3 * time] = False
        masks[time, 20, 30 + time] = True
    return masks


def video() -> NDArray[np.uint8]:
    """The frames that the masks belong to."""
    shown = np.full((FRAMES, HEIGHT, WIDTH, 3), 60, np.uint8)
    shown[true_masks()] = (200, 120, 40)
    shown[:, 0, 0] = np.arange(FRAMES)[:, None]  # no two frames are equal
    return shown


def write_clip(folder: Path, as_frames: bool = False) -> None:
    """Write `jam`, which is annotated, and `other.mkv`, which is not."""
    folder.mkdir(parents=True, exist_ok=True)
    if as_frames:
        write_frames(folder / "jam", video())
    else:
        write_ffv1(folder / "jam.mkv", video(), 10)
    write_ffv1(folder / "other.mkv", video()[::-1], 10)


def corners(mask: Masks) -> list[list[list[float]]]:
    """Polygons of a mask, in pixels."""
    return [(outline + 0.5).tolist() for outline in outlines(mask)]


def coco(path: Path, names: list[str], packed: bool = True, polygons: bool = False) -> Path:
    """A file of COCO with an image for each frame."""
    annotations = []
    for number, mask in enumerate(true_masks()):
        if not mask.any():
            continue
        outline = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
        counts = outline["counts"].decode()
        if not packed:
            flat = np.concatenate([[False], mask.T.ravel()])
            changes = np.flatnonzero(np.diff(flat.astype(int)))
            counts = np.diff([0, *changes, mask.size]).tolist()
        segmentation = {"size": [HEIGHT, WIDTH], "counts": counts}
        if polygons:
            segmentation = [np.ravel(polygon).tolist() for polygon in corners(mask)]
        about = {"id": number, "image_id": number, "category_id": 7}
        annotations.append({**about, "segmentation": segmentation, "bbox": [0, 0, 1, 1]})
    images = [
        {"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH}
        for number, name in enumerate(names)
    ]
    values = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 7, "name": "crack"}],
    }
    path.write_text(json.dumps(values))
    return path


def yolo(folder: Path, names: list[str], split: str = "train") -> Path:
    """A folder of YOLO: labels/SPLIT/NAME.txt and data.yaml."""
    texts = folder / "labels" / split
    texts.mkdir(parents=True)
    for name, mask in zip(names, true_masks(), strict=True):
        lines = []
        for polygon in corners(mask):
            shares = np.array(polygon) / [WIDTH, HEIGHT]
            lines.append(" ".join(["1", *(f"{share:.6f}" for share in shares.ravel())]))
        (texts / f"{name}.txt").write_text("\n".join(lines))
    about = f"path: .\n{split}: images/{split}\nnames:\n  0: dent\n  1: crack\n"
    (folder / "data.yaml").write_text(about)
    return folder


def cvat(path: Path, source: str = "jam.mkv", stop: int = FRAMES - 1) -> Path:
    """A file of CVAT for video with a mask in each frame, as CVAT writes masks of a video."""
    root = Element("annotations")
    task = SubElement(SubElement(root, "meta"), "task")
    for name, text in (("id", "3"), ("size", str(FRAMES)), ("start_frame", "0"),
                       ("stop_frame", str(stop)), ("source", source)):  # fmt: skip
        SubElement(task, name).text = text
    size = SubElement(task, "original_size")
    SubElement(size, "width").text, SubElement(size, "height").text = str(WIDTH), str(HEIGHT)
    for number, mask in enumerate(true_masks()):
        if not mask.any():
            continue
        rows, columns = np.nonzero(mask)
        top, left = int(rows.min()), int(columns.min())
        height, width = int(rows.max()) - top + 1, int(columns.max()) - left + 1
        flat = mask[top : top + height, left : left + width].ravel()
        runs = [0] if flat[0] else []
        runs += np.diff([0, *(np.flatnonzero(np.diff(flat.astype(int))) + 1), flat.size]).tolist()
        track = SubElement(root, "track", {"id": str(number), "label": "crack"})
        place = {"left": left, "top": top, "width": width, "height": height}
        for frame, outside in ((number, "0"), (number + 1, "1")):
            about = {"frame": str(frame), "keyframe": "1", "outside": outside}
            rle = {"rle": ", ".join(map(str, runs))}
            SubElement(track, "mask", {**about, **rle, **{k: str(v) for k, v in place.items()}})
    ElementTree.ElementTree(root).write(path)
    return path


def labelme(folder: Path, names: list[str], masks: bool = True) -> Path:
    """A file of labelme for each frame: masks, or polygons."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, mask in zip(names, true_masks(), strict=True):
        shapes = []
        if mask.any() and masks:
            rows, columns = np.nonzero(mask)
            box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
            stream = io.BytesIO()
            Image.fromarray(mask[box]).save(stream, "PNG")
            ends = [[columns.min(), rows.min()], [columns.max(), rows.max()]]
            shapes.append({
                "label": "crack", "shape_type": "mask", "points": np.array(ends, float).tolist(),
                "mask": base64.b64encode(stream.getvalue()).decode(),
            })  # fmt: skip
        elif mask.any():
            shapes = [{"label": "crack", "shape_type": "polygon", "points": polygon}
                      for polygon in corners(mask)]  # fmt: skip
        values = {"shapes": shapes, "imagePath": name, "imageHeight": HEIGHT, "imageWidth": WIDTH}
        (folder / f"{Path(name).stem}.json").write_text(json.dumps(values))
    return folder


def brush(mask: Masks) -> list[int]:
    """A mask as Label Studio's brush: runs of the values of RGBA, packed in bits."""
    values = np.repeat((mask.ravel() * 255).astype(np.uint8), 4)
    bits = f"{len(values):032b}{8 - 1:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    borders = [0, *(np.flatnonzero(np.diff(values.astype(int))) + 1).tolist(), len(values)]
    for begin, end in itertools.pairwise(borders):
        run, value = end - begin, int(values[begin])
        assert run <= 2**16
        if run <= 8:  # one by one: not repeated
            bits += f"0{0:02b}{run - 1:03b}" + f"{value:08b}" * run
        elif run <= 256:
            bits += f"1{2:02b}{run - 1:08b}{value:08b}"
        else:
            bits += f"1{3:02b}{run - 1:016b}{value:08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def label_studio(path: Path, names: list[str]) -> Path:
    """A file of Label Studio with a task for each frame, uploaded and brushed."""
    tasks = []
    for number, (name, mask) in enumerate(zip(names, true_masks(), strict=True)):
        value = {"format": "rle", "rle": brush(mask), "brushlabels": ["crack"]}
        size = {"original_width": WIDTH, "original_height": HEIGHT}
        result = [{"type": "brushlabels", "id": "a", **size, "value": value}] if mask.any() else []
        data = {"image": f"/data/upload/1/0a1b2c3d-{name}"}
        tasks.append({"id": number, "data": data, "annotations": [{"result": result}]})
    path.write_text(json.dumps(tasks))
    return path


def mvtec(folder: Path) -> Path:
    """A category as in MVTec AD: each frame a still, the good ones for training."""
    for number, (frame, mask) in enumerate(zip(video(), true_masks(), strict=True)):
        kind = "test/crack" if mask.any() else "train/good"
        picture = folder / kind / f"{number:03d}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(frame).save(picture)
        if mask.any():
            truth = folder / "ground_truth" / "crack" / f"{number:03d}_mask.png"
            truth.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask.astype(np.uint8) * 255).save(truth)
    return folder


def visa(folder: Path) -> Path:
    """An object as in VisA: tables of pictures, masks of class numbers, and kinds of defects."""
    rows, kinds = [], []
    for number, (frame, mask) in enumerate(zip(video(), true_masks(), strict=True)):
        kind = "Anomaly" if mask.any() else "Normal"
        image, truth = (f"nut/Data/{part}/{kind}/{number:03d}.png" for part in ("Images", "Masks"))
        for name, picture in ((image, frame), (truth, mask.astype(np.uint8) * 2)):
            if name == truth and not mask.any():
                continue
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / name)
        split = "test" if mask.any() else "train"
        said = truth if mask.any() else ""
        rows.append(["nut", split, "anomaly" if mask.any() else "normal", image, said])
        kinds.append([image, "crack,chip" if mask.any() else "normal", said])
    for path, head, lines in (
        (folder / "split_csv" / "1cls.csv", "object,split,label,image,mask", rows),
        (folder / "nut" / "image_anno.csv", "image,label,mask", kinds),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as stream:
            stream.write(f"{head}\n")
            csv.writer(stream).writerows(lines)
    return folder
