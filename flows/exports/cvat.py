"""CVAT for video 1.1: a video and a file of XML for each sample, to upload as a task's annotations.

Reference:
    https://docs.cvat.ai/docs/manual/advanced/xml_format/
"""

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from flawcast.flows.exports.base import (
    EXPORTS,
    Export,
    ExportSample,
    as_video,
    video_name,
    write_sample_video,
    write_samples_csv,
)
from flawcast.flows.exports.objects import Mask, box_of, defect_masks


@EXPORTS.register("cvat")
def cvat(export: Export, folder: Path) -> None:
    """Write videos/ID.mp4, annotations/ID.xml and samples.csv.

    A defect is a track of boxes with a key in every frame, and a mask in every frame, of one group.
    A mask is a track that ends with its frame, as CVAT writes masks: it knows no tracks of masks.
    """
    for name in ("videos", "annotations"):
        (folder / name).mkdir()
    for sample in (as_video(sample, export.settings) for sample in export.samples()):
        path = write_sample_video(folder / "videos", sample, export.settings)
        tree = ElementTree.ElementTree(_annotations(sample, export, path.name))
        ElementTree.indent(tree)
        target = folder / "annotations" / f"{sample.id}.xml"
        tree.write(target, encoding="utf-8", xml_declaration=True)
    write_samples_csv(
        folder / "samples.csv",
        export.rows,
        lambda row: f"videos/{video_name(row['sample_id'], export.settings)}",
    )


def _annotations(sample: ExportSample, export: Export, source: str) -> Element:
    """The whole file of a sample."""
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    count, height, width = sample.video.shape[:3]
    task = SubElement(SubElement(root, "meta"), "task")
    values = {
        "id": "0",
        "name": sample.id,
        "size": str(count),
        "mode": "interpolation",
        "overlap": "0",
        "flipped": "False",
        "start_frame": "0",
        "stop_frame": str(count - 1),
        "frame_filter": "",
        "subset": export.split(sample.id).capitalize().replace("Val", "Validation"),
    }
    for name, text in values.items():
        SubElement(task, name).text = text
    labels = SubElement(task, "labels")
    for label in export.defects:
        item = SubElement(labels, "label")
        SubElement(item, "name").text = label
        SubElement(item, "attributes")
    size = SubElement(task, "original_size")
    SubElement(size, "width").text, SubElement(size, "height").text = str(width), str(height)
    SubElement(task, "source").text = source
    masks = defect_masks(sample, export.settings.normal)
    if masks is not None and masks.any():
        _add_tracks(root, sample.row["label"], masks)
    return root


def _add_tracks(root: Element, label: str, masks: Mask) -> None:
    """The track of boxes, and the masks, of a defect."""
    about = {"label": label, "source": "auto", "group_id": "1"}
    boxes = SubElement(root, "track", {"id": "0", **about})
    box: tuple[int, int, int, int] | None = None
    for frame, mask in enumerate(masks):
        box = box_of(mask) if mask.any() else box
        if box is None:
            continue  # it has not begun
        left, top, width, height = box
        corners = (("xtl", left), ("ytl", top), ("xbr", left + width), ("ybr", top + height))
        place = {name: f"{value:.2f}" for name, value in corners}
        SubElement(boxes, "box", {**_key(frame, mask.any()), **place})
    for frame in np.flatnonzero(masks.any(axis=(1, 2))).tolist():
        track = SubElement(root, "track", {"id": str(frame + 1), **about})
        mask = _mask(masks[frame])
        SubElement(track, "mask", {**_key(frame, True), **mask})
        if frame + 1 < len(masks):
            SubElement(track, "mask", {**_key(frame + 1, False), **mask})


def _key(frame: int, is_seen: bool) -> dict[str, str]:
    """What a shape of a track says of its frame."""
    outside = str(int(not is_seen))
    return {
        "frame": str(frame),
        "keyframe": "1",
        "outside": outside,
        "occluded": "0",
        "z_order": "0",
    }


def _mask(mask: Mask) -> dict[str, str]:
    """Run lengths along the rows of a mask's box, the first one outside."""
    left, top, width, height = box_of(mask)
    flat = np.concatenate([[False], mask[top : top + height, left : left + width].ravel()])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate([[0], changes, [flat.size - 1]]))
    place = {"left": left, "top": top, "width": width, "height": height}
    return {"rle": ", ".join(map(str, counts)), **{name: str(at) for name, at in place.items()}}
