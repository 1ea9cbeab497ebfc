"""Which sets of a run get which defect, decided before anything is rendered."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.defect_settings import CUT_OUT, DefectOrder, DefectSettings, parse_range
from flawcast.configs.errors import ClipError, DefectError, SettingsError
from flawcast.configs.identity import derive_seed, hash_files
from flawcast.configs.set_settings import SetMasks
from flawcast.configs.settings import GenerateSettings, validated
from flawcast.flows.generate.plan import Plan, SetPlan, planned_id
from flawcast.generators.clips.frames import resize_frame
from flawcast.generators.clips.pictures import read_picture
from flawcast.generators.defects import DEFECT_TYPES
from flawcast.generators.defects.bank import Bank, BankItem

ALL = "all"
SPREAD = 1.25  # factor by which an item of a bank may be larger or smaller than in its still
LARGEST = 0.6  # share of the part: items are not put on larger than this
PLACEBO_SIZE = 0.3  # share of the part: a larger patch rarely finds a second place
WITH_DEFECT = SetMasks("drawn", "defect")  # masks of a set whose clip's own are not asked for
STILLS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}


def parse_defects(text: str) -> dict[str, object]:
    """The types and the bank that an option names, as fields of `DefectSettings`.

    Args:
        text: Names of types, separated by commas; "all"; the folder of a bank; or a mix.

    Raises:
        SettingsError: If a name is neither.
    """
    types: list[str] = []
    bank: Path | None = None
    for name in [part.strip() for part in text.split(",") if part.strip()]:
        if name == ALL:
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
    return {"types": tuple(dict.fromkeys(types)), "bank": bank}


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


def order_defects(
    sets: Sequence[SetPlan], settings: DefectSettings, seed: int
) -> list[DefectOrder | None]:
    """Orders for the sets of a plan: defects for a share of them, placebos for the others.

    Which sets have one depends on the run's seed and on what the sets are made of. The number is
    the share of all sets, at least 1.

    Args:
        sets: The plan's sets.
        settings: What is asked for.
        seed: The run's seed.
    """
    lots = [order_seed(one, seed, "defect") for one in sets]
    count = min(len(sets), max(1, round(settings.share * len(sets))))
    chosen = set(sorted(range(len(sets)), key=lambda index: lots[index])[:count])
    bank = None if settings.bank is None else open_bank(settings.bank)
    region = "" if settings.where is None else hash_files([settings.where])[:16]
    items = () if bank is None else tuple(bank)
    return [
        draw_order(
            settings, items, region, order_seed(one, seed, "order"), placebo=index not in chosen
        )
        if index in chosen or settings.placebo
        else None
        for index, one in enumerate(sets)
    ]


def order_seed(plan: SetPlan, seed: int, what: str) -> int:
    """A number by chance, the same for the same window and source."""
    source = plan.source
    return derive_seed(
        seed, plan.clip_id, plan.window.start, plan.mode, source.clip_id, source.frame, what
    )


def draw_order(
    settings: DefectSettings, items: Sequence[BankItem], region: str, seed: int, placebo: bool
) -> DefectOrder:
    """One order, drawn by chance.

    Args:
        settings: What is asked for.
        items: Of a bank; they count as one more type.
        region: As in `DefectOrder`.
        seed: Decides it.
        placebo: Whether it is harmless.
    """
    rng = np.random.default_rng(seed)
    types = [*settings.types, *([CUT_OUT] if items and not placebo else [])]
    kind = str(rng.choice(types or DEFECT_TYPES.names()))
    label, item = kind, ""
    if items and kind == CUT_OUT:
        drawn = items[int(rng.integers(len(items)))]
        label, item = drawn.label, drawn.item_id
        usual = min(LARGEST, drawn.length / SPREAD), min(LARGEST, drawn.length * SPREAD)
    else:
        usual = DEFECT_TYPES[kind].sizes
    low, high = settings.size or usual
    if placebo:
        low, high = min(low, PLACEBO_SIZE), min(high, PLACEBO_SIZE)
    size, severity = rng.uniform(low, high), rng.uniform(*settings.severity)
    onset = None
    if settings.onset is not None and not placebo:
        onset = int(rng.integers(settings.onset[0], settings.onset[1] + 1))
    return DefectOrder(
        type=kind,
        label=label,
        item=item,
        size=round(float(size), 6),
        severity=0.0 if placebo else round(float(severity), 6),
        seed=derive_seed(seed, "layer"),
        onset=onset,
        region=region,
        placebo=placebo,
    )


def with_defects(
    plan: Plan,
    defects: DefectSettings,
    settings: GenerateSettings,
    clips: ClipSettings,
    weights_id: str,
) -> Plan:
    """A plan in which sets have defects and placebos, under the ids that they have with them.

    Args:
        plan: The sets as they are without.
        defects: What is asked for.
        settings: As in `plan_sets`.
        clips: How clips are read.
        weights_id: The model's id.

    Raises:
        DefectError: If the region does not fit the frames of a source.
    """
    if defects.where is not None:
        for size in {one.source.size for one in plan.sets}:
            region_for(defects.where, clips, size)
    orders = order_defects(plan.sets, defects, settings.seed)
    sets = []
    for one, order in zip(plan.sets, orders, strict=True):
        if order is not None:
            masks = masks_with(order, one.masks)
            set_id = planned_id(one, settings, weights_id, masks, order)
            one = replace(one, set_id=set_id, masks=masks, order=order)
        sets.append(one)
    return replace(plan, sets=tuple(sets))


def masks_with(order: DefectOrder, masks: SetMasks | None) -> SetMasks:
    """Which masks a set with an order has: a placebo keeps those that were asked for."""
    if masks is not None and (masks.kind == "drawn" or order.placebo):
        return masks
    return WITH_DEFECT


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
        files += [one for one in inner if one.is_file() and one.suffix.lower() in STILLS]
    return files
