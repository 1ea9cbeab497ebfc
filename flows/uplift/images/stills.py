"""Pictures with defect masks, and which of them show the same item."""

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.generators.clips.decoding import STILL
from flawcast.generators.clips.frames import resize_frame
from flawcast.generators.clips.pictures import read_picture

MASK = "_mask"


@dataclass(frozen=True)
class Still:
    """A picture and where its defect is.

    Args:
        name: File name.
        picture: RGB, (H, W, 3).
        mask: True on the defect, (H, W); empty for a good item.
        item: The number of the item that it shows.
    """

    name: str
    picture: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    item: int

    @property
    def defective(self) -> bool:
        """Whether the mask marks a defect."""
        return bool(self.mask.any())


def read_stills(folder: Path, size: int | None, number: str, gap: int) -> list[Still]:
    """Read NAME.* with NAME_mask.png beside it; a picture without a mask shows a good item.

    Args:
        folder: Pictures and masks.
        size: Height and width that they are stretched to; None for their own.
        number: Regular expression whose first group is a number in the file's name.
        gap: Pictures whose numbers differ by at most this, and those in between, count as one
            item. A large gap may merge items, but puts no item on both sides of a split.

    Raises:
        ClipError: If there is no such folder, a picture cannot be read or has no number, or there
            are no two items of each kind.
    """
    if not folder.is_dir():
        raise ClipError(
            f"images: expected a folder of pictures and their masks, {folder} is none; name another"
        )
    files = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in STILL and not path.stem.endswith(MASK)
    )
    if not files:
        raise ClipError(f"images: expected pictures in {folder}, found none; name another folder")
    stems = {path.stem for path in files}
    for path in folder.glob(f"*{MASK}.*"):
        if path.suffix != ".png" or path.stem.removesuffix(MASK) not in stems:
            raise ClipError(
                f"{path.name}: expected NAME{MASK}.png beside the picture NAME, "
                "found no such picture or another format; rename or convert it"
            )
    numbers = [_number(path, number) for path in files]
    items = dict(zip(sorted(set(numbers)), _items(sorted(set(numbers)), gap), strict=True))
    stills = [_read(path, size, items[value]) for path, value in zip(files, numbers, strict=True)]
    for kind in (True, False):
        item_set = {still.item for still in stills if still.defective == kind}
        if len(item_set) < 2:
            what = "defective" if kind else "good"
            raise ClipError(
                f"images: expected at least two {what} items in {folder}, found {len(item_set)}; "
                "add pictures or lower --gap"
            )
    return stills


def _number(path: Path, number: str) -> int:
    """The number in a file's name."""
    try:
        match = re.search(number, path.name)
        return int((match.group(1) if match else None) or "")
    except (ValueError, IndexError, re.error):
        raise ClipError(
            f"{path.name}: expected a number where --number {number!r} looks, found none; "
            "mend the expression"
        ) from None


def _items(numbers: list[int], gap: int) -> NDArray[np.int64]:
    """Assign ascending numbers to items, by their gaps.

    Example:
        >>> _items([3, 5, 30, 33, 90], 4).tolist()
        [0, 0, 1, 1, 2]
    """
    apart = np.diff(numbers, prepend=numbers[0]) > gap
    return np.asarray(np.cumsum(apart), np.int64)


def _read(path: Path, size: int | None, item: int) -> Still:
    """One picture and its mask, stretched if asked; a thin defect stays in the smaller mask."""
    try:
        picture = read_picture(path)
        mask_path = path.with_name(f"{path.stem}{MASK}.png")
        mask = (
            read_picture(mask_path)[..., 0] if mask_path.is_file() else np.zeros(picture.shape[:2])
        )
    except ClipError as error:
        raise ClipError(f"{path.name}: {error}") from None
    if mask.shape != picture.shape[:2]:
        raise ClipError(f"{path.name}: expected a mask of its size, found another; mend it")
    if size is None:
        return Still(path.name, picture, np.asarray(mask > 127), item)
    settings = ClipSettings(size=size, fit="stretch")
    share = cv2.resize((mask > 127).astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    return Still(path.name, resize_frame(picture, settings), share > 0.1, item)
