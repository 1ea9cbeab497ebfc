"""Making one defect for one part: its sketch, its place, its contrast."""

from dataclasses import dataclass

import numpy as np

from flawcast.configs.errors import DefectError
from flawcast.configs.identity import derive_seed
from flawcast.generators.defects.contrast import contrast_of
from flawcast.generators.defects.drawing import draw
from flawcast.generators.defects.host import Host
from flawcast.generators.defects.layer import DefectLayer
from flawcast.generators.defects.placement import Placement, Wish, check_wish, place
from flawcast.generators.defects.sketch import DEFECT_TYPES, Grid, Sketch, Where


@dataclass(frozen=True)
class Order:
    """One defect that is asked for.

    Args:
        kind: Name of a procedural type.
        wish: Size, angle and place.
        severity: From 0, just visible, to 1, as strong as the type gets: the type's `contrasts`.
        seed: Same seed, same part: same bytes.
    """

    kind: str
    wish: Wish
    severity: float
    seed: int


def make_defect(host: Host, order: Order) -> DefectLayer:
    """Draw a procedural defect on a part.

    Args:
        host: The part.
        order: What is asked for.

    Raises:
        SettingsError: If there is no such type.
        DefectError: If the severity is out of range or a mask has another size.
        RefusedError: If it fits nowhere, or the region is off the part.
    """
    sketch, placement, rng = sketched(host, order)
    return as_layer(host, sketch, placement, wanted_contrast(order), order, rng)


def sketched(host: Host, order: Order) -> tuple[Sketch, Placement, np.random.Generator]:
    """Draw and place a sketch, before it changes a picture.

    Arguments and errors are those of `make_defect`.

    Returns:
        The sketch, where it lies, and the generator that goes on to draw grain.
    """
    check_severity(order.severity)
    check_wish(host, order.wish)
    kind = DEFECT_TYPES[order.kind]
    rng = np.random.default_rng(derive_seed(order.seed, "defect", order.kind))
    where = _where(kind.places, order.wish, rng)
    sketch = kind().sketch(rng, Grid.for_length(order.wish.size * host.extent))
    return sketch, place(host, sketch, where, order.wish, rng, kind.directed), rng


def wanted_contrast(order: Order) -> float | None:
    """The contrast-to-noise that an order asks for; None where the type has its own."""
    contrasts = DEFECT_TYPES[order.kind].contrasts
    return None if contrasts is None else contrast_of(order.severity, contrasts)


def as_layer(
    host: Host,
    sketch: Sketch,
    placement: Placement,
    contrast: float | None,
    order: Order,
    rng: np.random.Generator,
    label: str = "",
    source_id: str = "",
) -> DefectLayer:
    """Draw a placed sketch and describe it.

    Args:
        host: The part.
        sketch: What is drawn.
        placement: Where.
        contrast: As in `draw`.
        order: What was asked for.
        rng: Draws grain.
        label: What the defect is called; its kind if empty.
        source_id: Item of a bank that it comes from.
    """
    drawn = draw(host, sketch, placement, contrast, rng)
    left, top, _, _ = drawn.box
    rows, columns = np.nonzero(drawn.cover > 127)
    middle = placement.centre
    if len(rows):
        middle = np.array([columns.mean() + left, rows.mean() + top])
    return DefectLayer(
        pixels=drawn.pixels,
        cover=drawn.cover,
        hole=drawn.hole,
        onset=drawn.onset,
        box=drawn.box,
        size=host.size,
        kind=order.kind,
        label=label or order.kind,
        source_id=source_id,
        seed=order.seed,
        length=placement.length / host.extent,
        angle=placement.angle,
        place=host.in_part(middle),
        severity=order.severity,
        wanted=contrast,
        contrast=drawn.contrast,
    )


def check_severity(severity: float) -> None:
    """Refuse a severity out of range.

    Raises:
        DefectError: If it is not within [0, 1].
    """
    if not 0 <= severity <= 1:
        raise DefectError(f"severity: expected 0 to 1, got {severity}; give a share")


def _where(places: tuple[Where, ...], wish: Wish, rng: np.random.Generator) -> Where:
    """Inside or at an edge: what is asked for, else what the type likes."""
    if wish.where is not None:
        if wish.where not in places:
            raise DefectError(
                f"where: expected {' or '.join(places)} for this type, got {wish.where}; change it"
            )
        return wish.where
    if "inside" in places and (wish.angle is not None or wish.at is not None):
        return "inside"
    return places[int(rng.integers(len(places)))]
