"""Adding stills to a bank: marked defects are cut out, stills of the test split never enter."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flawcast.configs.errors import ClipError, DefectError
from flawcast.configs.identity import content_id, hash_files
from flawcast.generators.backbones.layers.vision import cv2
from flawcast.generators.clips.decoding import STILL
from flawcast.generators.clips.label_table import pair_rows, read_labels
from flawcast.generators.clips.listing import SPLITS, TEST, ClipEntry, Reject
from flawcast.generators.clips.pictures import read_picture
from flawcast.generators.defects.bank.annotations import MASK, Annotations, Marked
from flawcast.generators.defects.bank.store import Bank, BankItem
from flawcast.generators.defects.cut_outs import CutOut
from flawcast.generators.defects.host import Image, Mask

MARGIN = 0.35  # of the defect's length, around it: its surround is needed for blending
LEAST_MARGIN = 10  # pixels
UNNAMED = "defect"
NOT_PICTURES = ("masks", "ground_truth")


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

    A still is of the test split if labels.csv or a folder called `test` says so, if it is among
    `test`, or if it has the same bytes as one of these.

    Args:
        pictures: A folder of stills with annotations, or one still.
        bank: The bank.
        label: Of all defects; None for that of the annotation, of labels.csv, or the folder's name.
        licence: Under which the stills may be used.
        test: Stills of the test split, or folders of them.

    Raises:
        DefectError: If there are no stills, or an annotation file is malformed.
        ClipError: If labels.csv is malformed.
    """
    folder = pictures if pictures.is_dir() else pictures.parent
    stills = list(_stills(pictures))
    if not stills:
        raise DefectError(f"pictures: expected stills in {pictures}, found none; name another")
    left_out: list[Reject] = []
    notes: list[str] = []  # how rows were read: the bank says what became of each still
    names = {path.relative_to(folder).as_posix(): path for path in stills}
    table = read_labels(folder, notes.append)
    rows = pair_rows(folder, table, names, notes.append, left_out.append)
    annotations = Annotations(folder)
    held_out, held_bytes = _test_split(folder, stills, rows, test)
    found: list[tuple[BankItem, CutOut]] = []
    for path in stills:
        name = path.relative_to(folder).as_posix()
        sha256 = hash_files([path])
        if path.resolve() in held_out or sha256 in held_bytes:
            left_out.append(Reject(name, "of the test split: it never enters a bank"))
            continue
        try:
            picture = read_picture(path)
            said = rows.get(name)
            marked = annotations.of(path, picture.shape[:2], None if said is None else said.mask)
        except (ClipError, DefectError) as error:
            left_out.append(Reject(name, str(error)))
            continue
        marked = [one for one in marked if one.mask.any()]
        if not marked:
            left_out.append(Reject(name, "no defect is marked in it"))
        row = rows.get(name)
        spare = row.label if row is not None else path.parent.name if path.parent != folder else ""
        for one in marked:
            named = label or one.label or spare or UNNAMED
            found.append(_cut(picture, one, named, name, sha256, licence))
    items = bank.add(found)
    return Added(tuple(items), len(found) - len(items), tuple(left_out))


def cut_out_of(picture: Image, mask: Mask, label: str = UNNAMED) -> CutOut:
    """Cut a defect out of a still, without a bank.

    Args:
        picture: RGB, (H, W, 3).
        mask: The defect, (H, W), not empty.
        label: What it is called.
    """
    return _cut(picture, Marked(label, mask), label, "", "", "")[1]


def _stills(pictures: Path) -> Iterator[Path]:
    """Stills of a folder and its sub-folders, without masks."""
    if pictures.is_file():
        yield pictures
        return
    for path in sorted(pictures.rglob("*")):
        folders = path.relative_to(pictures).parts[:-1]
        hidden = any(name in NOT_PICTURES or name.startswith(".") for name in folders)
        if path.suffix.lower() in STILL and not path.stem.endswith(MASK) and not hidden:
            yield path


def _test_split(
    folder: Path, stills: list[Path], rows: Mapping[str, ClipEntry], test: Iterable[Path]
) -> tuple[set[Path], set[str]]:
    """Stills that are for testing: their files and the hashes of their bytes."""
    files = set()
    for path in stills:
        relative = path.relative_to(folder)
        row = rows.get(relative.as_posix())
        split = (
            row.split
            if row is not None and row.split
            else SPLITS.get(relative.parts[0].lower(), "")
        )
        if split == TEST:
            files.add(path)
    for path in test:
        if not path.exists():
            raise DefectError(f"test: expected stills of the test split, {path} does not exist")
        files |= set(_stills(path))
    return {path.resolve() for path in files}, {hash_files([path]) for path in files}


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
