"""Adding stills to a bank: marked defects are cut out, stills of the test split never enter."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flawcast.configs.errors import ClipError, DefectError
from flawcast.configs.identity import content_id, hash_files
from flawcast.generators.backbones.layers.vision import cv2
from flawcast.generators.clips.listing import Reject
from flawcast.generators.clips.pictures import read_picture
from flawcast.generators.defects.bank.annotations import Annotations, Marked
from flawcast.generators.defects.bank.stills import HELD_OUT, Stills
from flawcast.generators.defects.bank.store import Bank, BankItem
from flawcast.generators.defects.cut_outs import CutOut
from flawcast.generators.defects.host import Image, Mask

MARGIN = 0.35  # of the defect's length, around it: its surround is needed for blending
LEAST_MARGIN = 10  # pixels
UNNAMED = "defect"


@dataclass(frozen=True)
class Added:
    """What became of a folder of stills.

    Args:
        items: New items.
        known: Number of defects that the bank had already.
        left_out: Stills without an item, and why.
    """

    items: tuple[BankItem, ...]
    known: int
    left_out: tuple[Reject, ...]


def add_pictures(
    pictures: Path,
    bank: Bank,
    label: str | None = None,
    licence: str = "",
    test: Iterable[Path] = (),
) -> Added:
    """Cut marked defects out of stills and put them into a bank.

    Args:
        pictures: A folder of stills with annotations, or one still.
        bank: The bank.
        label: Of all defects; None for that of the annotation, of labels.csv, or the folder's name.
        licence: Under which the stills may be used.
        test: Stills of the test split, or folders of them; see `Stills`.

    Raises:
        DefectError: If there are no stills, or an annotation file is malformed.
        ClipError: If labels.csv is malformed.
    """
    stills = Stills(pictures, test)
    annotations = Annotations(stills.folder)
    left_out = list(stills.left_out)
    found: list[tuple[BankItem, CutOut]] = []
    for name, path in stills.files.items():
        sha256, row = hash_files([path]), stills.rows.get(name)
        if stills.is_held_out(path, sha256):
            left_out.append(Reject(name, HELD_OUT))
            continue
        try:
            picture = read_picture(path)
            marked = annotations.of(path, picture.shape[:2], None if row is None else row.mask)
        except (ClipError, DefectError) as error:
            left_out.append(Reject(name, str(error)))
            continue
        marked = [one for one in marked if one.mask.any()]
        if not marked:
            left_out.append(Reject(name, "no defect is marked in it"))
        for one in marked:
            named = label or one.label or stills.label_of(name) or UNNAMED
            found.append(_cut(picture, one, named, name, sha256, licence))
    items = bank.add(found)
    return Added(tuple(items), len(found) - len(items), tuple(left_out))


def add_marked(
    stills: Stills, name: str, mask: Mask, bank: Bank, label: str, licence: str = ""
) -> BankItem | None:
    """Cut one defect out of one still, where somebody marked it, and put it into a bank.

    Args:
        stills: The stills.
        name: One of them.
        mask: The defect, (H, W), not empty.
        bank: The bank.
        label: What the defect is called.
        licence: Under which the still may be used.

    Returns:
        The new item; None if the bank has it already.

    Raises:
        DefectError: If the still is not there, or of the test split.
        ClipError: If it cannot be read.
    """
    path = still_of(stills, name)
    marked, sha256 = Marked(label, mask), hash_files([path])
    if stills.is_held_out(path, sha256):
        raise DefectError(f"{name}: {HELD_OUT}")
    added = bank.add([_cut(read_picture(path), marked, label, name, sha256, licence)])
    return added[0] if added else None


def still_of(stills: Stills, name: str) -> Path:
    """The file of a still.

    Raises:
        DefectError: If there is none.
    """
    if name not in stills.files:
        raise DefectError(f"picture: expected one of {stills.folder}, got {name[:100]!r}")
    return stills.files[name]


def cut_out_of(picture: Image, mask: Mask, label: str = UNNAMED) -> CutOut:
    """Cut a defect out of a still, without a bank.

    Args:
        picture: RGB, (H, W, 3).
        mask: The defect, (H, W), not empty.
        label: What it is called.
    """
    return _cut(picture, Marked(label, mask), label, "", "", "")[1]


def _cut(
    picture: Image, marked: Marked, label: str, source: str, sha256: str, licence: str
) -> tuple[BankItem, CutOut]:
    """Cut one defect out of a still."""
    rows, columns = np.nonzero(marked.mask)
    points = np.stack([columns, rows], -1).astype(np.float32)
    long, angle = _long_side(points)
    margin = max(LEAST_MARGIN, round(MARGIN * long))
    box = (
        slice(max(0, rows.min() - margin), rows.max() + margin + 1),
        slice(max(0, columns.min() - margin), columns.max() + margin + 1),
    )
    extent, measured_by = float(max(picture.shape[:2])), "picture"
    if marked.part is not None:
        part = np.argwhere(marked.part)[:, ::-1].astype(np.float32)
        extent, measured_by = _long_side(part)[0], "part"
    kept, mask = np.ascontiguousarray(picture[box]), np.ascontiguousarray(marked.mask[box])
    length = min(1.0, long / extent)
    item_id = content_id("defect", picture=_hash(kept), mask=_hash(mask), label=label)
    cut = CutOut(item_id, label, kept, mask, length)
    item = BankItem(
        item_id=item_id,
        label=label,
        source=source,
        source_sha256=sha256,
        licence=licence,
        length=length,
        measured_by=measured_by,
        angle=angle,
        contrast=cut.contrast(),
        pixels=len(rows),
        width=kept.shape[1],
        height=kept.shape[0],
    )
    return item, cut


def _long_side(points: np.ndarray) -> tuple[float, float]:
    """Length and direction of the long side of the smallest rectangle around points."""
    corners = cv2.boxPoints(cv2.minAreaRect(points)).astype(np.float64)
    sides = corners[1] - corners[0], corners[2] - corners[1]
    long = max(sides, key=lambda side: float(np.linalg.norm(side)))
    angle = float(np.degrees(np.arctan2(long[1], long[0])))
    return float(np.linalg.norm(long)) + 1, -((-angle + 90) % 180 - 90)


def _hash(values: Image | Mask) -> str:
    """Hash of an array's size and bytes."""
    return hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()
