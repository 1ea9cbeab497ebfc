"""What users give for defects: options, the bank, and the region in which defects may lie."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.defect_settings import DefectSettings, parse_range
from flawcast.configs.errors import ClipError, DefectError, SettingsError
from flawcast.configs.settings import validated
from flawcast.generators.clips.decoding import STILL
from flawcast.generators.clips.frames import resize_frame
from flawcast.generators.clips.pictures import read_picture
from flawcast.generators.defects import DEFECT_TYPES
from flawcast.generators.defects.bank import Bank

ALL = "all"


def parse_defects(text: str) -> dict[str, object]:
    """The types and the bank that an option names, as fields of `DefectSettings`.

    Args:
        text: Names of types, separated by commas; "all"; the folder of a bank; or a mix. After a
            type may stand what its defects are called: "chip=crack".

    Raises:
        SettingsError: If a name is neither.
    """
    types: list[str] = []
    labels: list[tuple[str, str]] = []
    bank: Path | None = None
    for name in [part.strip() for part in text.split(",") if part.strip()]:
        kind, named, label = (part.strip() for part in name.partition("="))
        if named and label and kind in DEFECT_TYPES.names():
            types.append(kind)
            labels.append((kind, label))
        elif name == ALL:
            types += DEFECT_TYPES.names()
        elif name in DEFECT_TYPES.names():
            types.append(name)
        elif Path(name).is_dir() and bank is None:
            bank = Path(name)
        else:
            raise SettingsError(
                f"defects: expected {ALL}, types among {', '.join(DEFECT_TYPES.names())}, or the "
                f"folder of one bank, got {name!r}; name one of these"
            )
    found: dict[str, object] = {"types": tuple(dict.fromkeys(types)), "bank": bank}
    return found | ({"labels": tuple(dict.fromkeys(labels))} if labels else {})


def defects_from_options(
    defects: str | None,
    *,
    share: float | None = None,
    severity: str | None = None,
    size: str | None = None,
    where: Path | None = None,
    onset: str | None = None,
    placebo: bool | None = None,
    test: Sequence[Path] = (),
) -> DefectSettings | None:
    """Settings of defects from command-line options; None without `--defects`.

    Args:
        defects: As in `parse_defects`; None for no defects.
        share: As in `DefectSettings`; None for its default, as for the next ones.
        severity: A range such as 0.2:1.0.
        size: A range.
        where: As in `DefectSettings`.
        onset: A range of whole numbers.
        placebo: As in `DefectSettings`.
        test: As in `DefectSettings`.

    Raises:
        SettingsError: If a value does not fit, or one is given without `--defects`.
    """
    given = {
        "defect-share": share,
        "severity": severity,
        "defect-size": size,
        "where": where,
        "defect-onset": onset,
        "placebo": placebo,
        "defect-test": test or None,
    }
    if defects is None:
        lonely = [name for name, value in given.items() if value is not None]
        if lonely:
            raise SettingsError(
                f"{lonely[0]}: expected --defects with it, got none; say which defects are wanted"
            )
        return None
    values: dict[str, object] = {
        **parse_defects(defects),
        "share": share,
        "severity": None if severity is None else parse_range("severity", severity),
        "size": None if size is None else parse_range("defect-size", size),
        "where": where,
        "onset": None if onset is None else parse_range("defect-onset", onset, whole=True),
        "placebo": placebo,
        "test": tuple(test),
    }
    if share is not None and not 0 < share <= 1:
        raise SettingsError(f"defect-share: expected more than 0 and at most 1, got {share}")
    present = {name: value for name, value in values.items() if value is not None}
    return validated(DefectSettings, present, "defects")


def check_defects(settings: DefectSettings, future: int) -> None:
    """Refuse what cannot be made, before any clip is read.

    Args:
        settings: What is asked for.
        future: Future frames of a video.

    Raises:
        FlawcastError: If a type is unknown, the bank is empty, of another version or holds a test
            still, the region is empty, or the onset comes after the last frame.
    """
    for name in settings.types:
        DEFECT_TYPES[name]
    if settings.bank is not None:
        bank = open_bank(settings.bank)
        if not len(bank):
            raise DefectError(
                f"bank: expected defects in {settings.bank}, found none; "
                "add some with `flawcast defects add`"
            )
        bank.refuse_leaks(_stills(settings.test))
    if settings.where is not None:
        read_region(settings.where)
    if settings.onset is not None and settings.onset[1] >= future:
        raise SettingsError(
            f"defect-onset: expected a future frame from 0 to {future - 1}, got "
            f"{settings.onset[1]}; lower it"
        )


@lru_cache(maxsize=4)
def open_bank(folder: Path) -> Bank:
    """A bank, read once by a process.

    Raises:
        DefectError: If it is a bank of another version, or no bank.
    """
    return Bank(folder)


@lru_cache(maxsize=4)
def read_region(where: Path) -> NDArray[np.bool_]:
    """The region that a user has drawn, (H, W).

    Raises:
        DefectError: If the file is absent, no picture, or marks nothing.
    """
    try:
        grey = read_picture(where, numbers=True)
    except (ClipError, OSError) as error:
        raise DefectError(f"where: {where}: {error}; name a mask") from None
    marked: NDArray[np.bool_] = grey.max(-1) > 0 if grey.ndim == 3 else grey > 0
    if not marked.any():
        raise DefectError(f"where: expected a mask that marks something, {where} is empty; draw it")
    return marked


def region_for(where: Path, clips: ClipSettings, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The region at the size of frames, (H, W).

    It may be drawn at that size, or at the clip's own, and is then read as the frames are.

    Raises:
        DefectError: If it fits neither.
    """
    marked = read_region(where)
    if marked.shape != size:
        marked = resize_frame(marked.astype(np.uint8), clips) > 0
    if marked.shape != size:
        height, width = read_region(where).shape
        raise DefectError(
            f"where: expected a mask of the frames' size {size[1]}x{size[0]} or of their aspect, "
            f"{where} is {width}x{height}; draw it on a frame of the clip"
        )
    if not marked.any():
        raise DefectError(f"where: nothing is left of {where} in the frames; draw it larger")
    return marked


def _stills(test: Sequence[Path]) -> list[Path]:
    """Files among paths and in folders."""
    files: list[Path] = []
    for path in test:
        if not path.exists():
            raise DefectError(f"defect-test: expected stills, {path} does not exist; mend the path")
        inner = sorted(path.rglob("*")) if path.is_dir() else [path]
        files += [one for one in inner if one.is_file() and one.suffix.lower() in STILL]
    return files
