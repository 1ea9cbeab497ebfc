"""A set's defect: made for its part, checked in the kept futures, and described."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.defect_settings import CUT_OUT, DefectOrder, MadeDefect
from flawcast.configs.identity import derive_seed
from flawcast.configs.mask_levels import DEFECT, PART
from flawcast.flows.generate.defects.inputs import open_bank
from flawcast.flows.generate.defects.parts import ChosenPart
from flawcast.generators.defects import (
    DefectLayer,
    Host,
    Order,
    Reason,
    RefusedError,
    Wish,
    check_steady,
    frame_contrasts,
    fulfil,
    make_cut_out,
    make_defect,
    make_placebo,
)
from flawcast.generators.defects.layer import HALF
from flawcast.generators.defects.looks import Look

ROUNDS = 3  # places that are tried until most kept futures show the defect steadily
PLACEBO_TRIES = 6
SHRINK = 0.85  # by which a placebo gets smaller with each try
MILD = 16.0  # gray levels by which a placebo may change the pixels that it changes most
FEWEST_PIXELS = 6.0  # that a defect is long: a shorter one has no shape
LOOKED_AT = 3  # frames of each kept future
AROUND = 24  # pixels around a defect that are looked at, more for a large one
LEAST_STEADY = 0.5  # share of the kept futures
FEWEST = 2  # futures of a set

Image = NDArray[np.uint8]
Draw = Callable[[int, Sequence[int]], tuple[Image, Image, Image]]
"""Frames of one kept future without the defect, with it full-grown, and their levels."""


@dataclass(frozen=True)
class Candidate:
    """A defect on its part, before kept futures were looked at.

    Args:
        chosen: The part.
        layer: The defect.
        scale: As in `MadeDefect`.
    """

    chosen: ChosenPart
    layer: DefectLayer
    scale: float = 1.0


def candidates(
    order: DefectOrder, chosen: ChosenPart, region: NDArray[np.bool_] | None, bank: Path | None
) -> Iterator[Candidate]:
    """Defects for one order, each at another place: the next one is for a set that refuses one.

    Args:
        order: What is asked for.
        chosen: The part.
        region: Where it may lie, (H, W); None for the whole part.
        bank: Folder of the bank that the order's item is of.

    Raises:
        RefusedError: If none can be made.
    """
    if order.placebo:
        yield _placebo(order, chosen, region)
        return
    make = _maker(order, bank)
    real = () if bank is None else _looks(bank)
    scale = round(max(1.0, FEWEST_PIXELS / (order.size * chosen.host.extent)), 6)
    for number in range(ROUNDS):
        seed = order.seed if number == 0 else derive_seed(order.seed, "place", number)
        wanted = Order(order.type, Wish(order.size * scale, region=region), order.severity, seed)
        (layer,), ledger = fulfil(chosen.host, [wanted], real, make)
        if layer is None:
            reason: Reason = next(iter(ledger.rejected))
            raise RefusedError(reason, f"{order.label}: {WORDS[reason]}")
        yield Candidate(chosen, layer, scale)


WORDS: dict[Reason, str] = {
    "no_part": "no part is known that it could be put on",
    "too_large": "it fits nowhere on the part; lower --defect-size",
    "region_off_part": "the region has no room for it on the part; draw another",
    "off_part": "it lies beside the part; choose another region",
    "faint": "it cannot be told from its surround; raise --severity",
    "hidden": "no kept future shows it; use other windows",
    "unstable": "it looks different from frame to frame; choose another type or region",
    "near_real": "it is nearly a copy of a real defect; use another --seed",
    "near_sample": "it is nearly a copy of another sample; use another --seed",
}


def made_again(
    order: DefectOrder,
    made: MadeDefect,
    chosen: ChosenPart,
    region: NDArray[np.bool_] | None,
    bank: Path | None,
) -> DefectLayer:
    """The layer that a set's row says it has.

    Arguments are those of `candidates`, and what became of the order.

    Raises:
        DefectError: If the part is another one, or the bank lacks the item.
    """
    wish = Wish(order.size * made.scale, region=region)
    again = Order(order.type, wish, order.severity, made.seed)
    if order.placebo:
        return replace(make_placebo(chosen.host, again), label=order.label)
    return _maker(order, bank)(chosen.host, again)


def _maker(order: DefectOrder, bank: Path | None) -> Callable[[Host, Order], DefectLayer]:
    """What makes a layer of an order's type."""
    if order.type != CUT_OUT or bank is None:
        return make_defect
    opened = open_bank(bank)
    cut = opened.cut_out(opened[order.item])
    return lambda host, wanted: make_cut_out(host, wanted, cut)


def _placebo(order: DefectOrder, chosen: ChosenPart, region: NDArray[np.bool_] | None) -> Candidate:
    """A harmless patch, smaller with each try, until it changes little.

    A patch over a print can look as if the print was damaged, so of several the mildest is taken.
    """
    mildest: tuple[float, Candidate] | None = None
    last: RefusedError | None = None
    for number in range(PLACEBO_TRIES):
        scale = round(SHRINK**number, 6)
        seed = order.seed if number == 0 else derive_seed(order.seed, "again", number)
        wanted = Order(order.type, Wish(order.size * scale, region=region), 0.0, seed)
        try:
            layer = make_placebo(chosen.host, wanted)
        except RefusedError as refused:
            last = refused
            continue
        change = _peak_change(chosen.host, layer)
        if mildest is None or change < mildest[0]:
            mildest = change, Candidate(chosen, layer, scale)
        if change <= MILD:
            break
    if mildest is None:
        raise last or RefusedError("too_large", "placebo: no room")
    return mildest[1]


def _peak_change(host: Host, layer: DefectLayer) -> float:
    """By how many gray levels a layer changes the pixels that it changes most."""
    left, top, right, bottom = layer.box
    before = host.picture[top:bottom, left:right].astype(np.float32)
    after = layer.over(host.picture)[top:bottom, left:right]
    change = np.abs(after - before).max(-1)
    touched = change[layer.cover > HALF]
    return float(np.quantile(touched, 0.95)) if touched.size else 0.0


@lru_cache(maxsize=2)
def _looks(bank: Path) -> tuple[Look | None, ...]:
    """Looks of all items of a bank, which no defect may copy."""
    opened = open_bank(bank)
    return tuple(opened.cut_out(item).look() for item in opened)


@dataclass(frozen=True)
class Steady:
    """Which kept futures show a defect as they should.

    Args:
        ranks: Their places among the kept futures.
        contrasts: Contrast-to-noise in each of them.
        dropped: The others, by reason.
    """

    ranks: tuple[int, ...]
    contrasts: tuple[float, ...]
    dropped: Counter[Reason]

    @property
    def enough(self) -> bool:
        """Whether the set can do without the others."""
        total = len(self.ranks) + self.dropped.total()
        return len(self.ranks) >= max(FEWEST, LEAST_STEADY * total)


def check_futures(draw: Draw, kept: int, frames: int, kind: str) -> Steady:
    """Look at a few frames of each kept future.

    Args:
        draw: Draws frames of one kept future.
        kept: Number of kept futures.
        frames: Frames of a future, F.
        kind: What messages call the defect.
    """
    times = np.unique(np.linspace(0, frames - 1, min(LOOKED_AT, frames)).round().astype(int))
    ranks, contrasts, dropped = [], [], Counter[Reason]()
    for rank in range(kept):
        plain, defective, levels = draw(rank, times.tolist())
        measured = _contrasts(plain, defective, levels)
        try:
            check_steady(measured, kind)
        except RefusedError as refused:
            dropped[refused.reason] += 1
            continue
        ranks.append(rank)
        contrasts.append(round(float(measured.mean()), 4))
    return Steady(tuple(ranks), tuple(contrasts), dropped)


def _contrasts(plain: Image, defective: Image, levels: Image) -> NDArray[np.float64]:
    """Contrasts in frames, looking at no more of them than the defect and its surround."""
    masks = levels == DEFECT
    shown = np.flatnonzero(masks.any(axis=(1, 2)))
    if not len(shown):
        return np.zeros(0)
    cut = [
        _around(masks[index], (plain[index], defective[index], masks[index], levels[index] >= PART))
        for index in shown
    ]
    return frame_contrasts(*map(list, zip(*cut, strict=True)))


def _around(mask: NDArray[np.bool_], maps: Sequence[NDArray[np.generic]]) -> list[Image]:
    """Maps of a frame, cut to a mask and its surround."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    wide = max(AROUND, max(len(rows), len(columns)) // 2)
    box = (
        slice(max(0, int(rows[0]) - wide), int(rows[-1]) + wide + 1),
        slice(max(0, int(columns[0]) - wide), int(columns[-1]) + wide + 1),
    )
    return [np.ascontiguousarray(one[box]) for one in maps]


def describe(candidate: Candidate, steady: Steady | None) -> MadeDefect:
    """What a set's row says of a defect.

    Args:
        candidate: The defect.
        steady: The futures that show it; None for a placebo.
    """
    layer = candidate.layer
    host = candidate.chosen.host
    height, width = host.size
    x, y = host.in_picture(layer.place)
    return MadeDefect(
        seed=layer.seed,
        part=candidate.chosen.part,
        cut=candidate.chosen.cut,
        scale=candidate.scale,
        size=_short(layer.length),
        angle=_short(layer.angle),
        x=_short(layer.place[0]),
        y=_short(layer.place[1]),
        frame_x=_short((x + 0.5) / width),
        frame_y=_short((y + 0.5) / height),
        contrast=_short(layer.contrast),
        contrasts=() if steady is None else steady.contrasts,
        dropped=() if steady is None else tuple(sorted(steady.dropped.items())),
    )


def _short(value: float) -> float:
    """A number as a row holds it: digits enough to compare, few enough to read."""
    return round(float(value), 4)
