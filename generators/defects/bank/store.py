"""A bank on disk: `items.parquet`, and a picture and a mask of each item as PNG."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from flawcast.configs.errors import ClipError, DefectError, LeakError
from flawcast.configs.files import whole_file
from flawcast.configs.identity import hash_files
from flawcast.generators.clips.pictures import read_picture
from flawcast.generators.defects.cut_outs import CutOut

BANK_VERSION = "1"
VERSION_KEY = b"flawcast.defect_bank"
TABLE, PICTURES, MASKS = "items.parquet", "pictures", "masks"
NAMED = 3  # items that a message names


@dataclass(frozen=True)
class BankItem:
    """A row of the bank.

    Args:
        item_id: Hash of the picture, the mask and the label.
        label: What the defect is called.
        source: Name of the still that it comes from.
        source_sha256: Hash of that still's bytes, for the leak guard.
        licence: Under which the still may be used, as its owner said; empty if nobody did.
        length: Length of the defect as a share of `measured_by`'s long side.
        measured_by: "part" if the mask told where the part is, else "picture".
        angle: Direction of the defect in the still, degrees from the x axis.
        contrast: Contrast-to-noise in the still.
        pixels: Area of the defect in the still.
        width: Of the picture that is kept: the defect and a margin.
        height: Of the same.
    """

    item_id: str
    label: str
    source: str
    source_sha256: str
    licence: str
    length: float
    measured_by: str
    angle: float
    contrast: float
    pixels: int
    width: int
    height: int


class Bank:
    """Real defects with their masks, in a folder that a person can read.

    Args:
        folder: The bank; it need not exist yet.

    Raises:
        DefectError: If it is a bank of another version, or no bank.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._items = {item.item_id: item for item in _read(self.folder)}

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[BankItem]:
        return iter(sorted(self._items.values(), key=lambda item: (item.label, item.item_id)))

    def __getitem__(self, item_id: str) -> BankItem:
        """Return an item by its id, or by the beginning of one.

        Raises:
            DefectError: If there is none, or several.
        """
        found = [item for name, item in self._items.items() if name.startswith(item_id)]
        if item_id in self._items:
            return self._items[item_id]
        if len(found) != 1:
            raise DefectError(
                f"item: expected one of {self.folder}, {item_id!r} names {len(found)}; "
                "`flawcast defects list` shows them"
            )
        return found[0]

    def cut_out(self, item: BankItem) -> CutOut:
        """The picture and the mask of an item.

        Raises:
            DefectError: If a file is absent or damaged.
        """
        read = []
        for folder in (PICTURES, MASKS):
            path = self.folder / folder / f"{item.item_id}.png"
            try:
                read.append(read_picture(path))
            except ClipError as error:
                raise DefectError(f"{path}: {error}; add its still again") from None
        picture, mask = read
        if picture.shape != mask.shape or not (mask[..., 0] > 127).any():
            raise DefectError(f"{item.item_id}: expected a mask of its picture; add it again")
        return CutOut(item.item_id, item.label, picture, mask[..., 0] > 127, item.length)

    def add(self, items: Iterable[tuple[BankItem, CutOut]]) -> list[BankItem]:
        """Add items, and return those that were not there yet.

        Pictures are written first and the table last, in one step.
        """
        new = {item.item_id: (item, cut) for item, cut in items if item.item_id not in self._items}
        if not new and (self.folder / TABLE).is_file():
            return []
        for name in (PICTURES, MASKS):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for item, cut in new.values():
            _write(self.folder / PICTURES / f"{item.item_id}.png", cut.picture)
            _write(self.folder / MASKS / f"{item.item_id}.png", cut.mask.astype(np.uint8) * 255)
            self._items[item.item_id] = item
        rows = [asdict(item) for item in self]
        table = pa.Table.from_pylist(rows, _schema())
        with whole_file(self.folder / TABLE) as draft:
            pq.write_table(table, draft)
        return [item for item, _ in new.values()]

    def refuse_leaks(self, test: Iterable[Path]) -> None:
        """Refuse a bank that holds a cut-out of a test still, by the stills' bytes.

        Args:
            test: Stills of the test split.

        Raises:
            LeakError: If it does; the message names items.
        """
        held_out = {hash_files([path]) for path in test}
        leaks = [item for item in self if item.source_sha256 in held_out]
        if leaks:
            names = ", ".join(f"{item.item_id} of {item.source}" for item in leaks[:NAMED])
            raise LeakError(
                f"bank: expected no cut-outs of test stills, got {len(leaks)}: {names}; "
                "make a bank without them"
            )


def _schema() -> Any:
    """Columns of the table, and its version."""
    kinds = {str: pa.string(), float: pa.float64(), int: pa.int64()}
    columns = [(field.name, kinds[field.type]) for field in fields(BankItem)]  # type: ignore[index]
    return pa.schema(columns, {VERSION_KEY: BANK_VERSION.encode()})


def _read(folder: Path) -> list[BankItem]:
    """Items of a bank; none if the folder is absent or empty."""
    path = folder / TABLE
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DefectError(f"bank: expected {TABLE} in {folder}, found none; name another")
        return []
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        reason = " ".join(str(error).split())[:80]
        raise DefectError(f"{path}: expected the table of a bank, got {reason}") from None
    version = (table.schema.metadata or {}).get(VERSION_KEY, b"none").decode()
    if version != BANK_VERSION:
        raise DefectError(
            f"bank: expected version {BANK_VERSION}, {folder} is of version {version}; "
            "add its stills to a new bank"
        )
    return [BankItem(**row) for row in table.to_pylist()]


def _write(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a PNG that is there whole or not at all."""
    with whole_file(path) as draft:
        Image.fromarray(picture).save(draft)
