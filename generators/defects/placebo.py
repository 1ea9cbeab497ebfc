"""Placebos: harmless patches of a part on the same part, by the machinery that puts on defects.

A detector that sees pasted defects and untouched good samples may learn the paste. With placebos on
the good samples it cannot.
"""

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.identity import derive_seed
from flawcast.generators.backbones.layers.vision import cv2
from flawcast.generators.defects.contrast import contrast_to_noise
from flawcast.generators.defects.drawing import MARGIN, sampled_cover
from flawcast.generators.defects.host import Host, Image, Mask
from flawcast.generators.defects.layer import Box, DefectLayer, smallest_alpha
from flawcast.generators.defects.making import Order
from flawcast.generators.defects.membrane import membrane
from flawcast.generators.defects.placement import check_wish, place
from flawcast.generators.defects.reasons import RefusedError
from flawcast.generators.defects.sketch import DEFECT_TYPES, Floats, Grid

SHIFTS = 24  # places that a patch may be taken from
FEATHER = 1.2  # pixels over which a patch fades in
MOST_CONTRAST = 1.5  # contrast-to-noise of a placebo: a person sees no defect in it


def make_placebo(host: Host, order: Order) -> DefectLayer:
    """Put a patch of a part on another place of it.

    The patch has the outline of a defect of the order's type, and comes from where it changes the
    least. Its own surround is taken away and the host's surround put in its place, as for
    cut-outs. Its mask is empty.

    Args:
        host: The part.
        order: Type whose outline it gets, size, place and seed; the severity does not matter.

    Raises:
        SettingsError: If there is no such type.
        RefusedError: If it fits nowhere.
    """
    check_wish(host, order.wish)
    kind = DEFECT_TYPES[order.kind]
    rng = np.random.default_rng(derive_seed(order.seed, "placebo", order.kind))
    sketch = kind().sketch(rng, Grid.for_length(order.wish.size * host.extent))
    where = order.wish.where or kind.places[int(rng.integers(len(kind.places)))]
    placement = place(host, sketch, where, order.wish, rng, kind.directed)
    cover, onset, box = sampled_cover(host, sketch, placement)
    left, top, right, bottom = box
    part = host.part[top:bottom, left:right]
    weight = cv2.GaussianBlur(cover, (0, 0), FEATHER) * part
    before = host.picture[top:bottom, left:right]
    patch = _patch(host, box, weight, rng)
    if patch is None:
        raise RefusedError(
            "too_large",
            f"size: expected room for a second patch on the part, one of {order.wish.size:.2f} of "
            "its extent leaves none; lower the size",
        )
    after = before + weight[..., None] * (patch - before)
    full = np.zeros(host.part.shape, bool)
    full[top:bottom, left:right] = cover > 0.5
    contrast = _contrast(host, box, after, full)
    if contrast > MOST_CONTRAST:
        after = before + (after - before) * np.float32(MOST_CONTRAST / contrast)
        contrast = _contrast(host, box, after, full)
    return DefectLayer(
        pixels=smallest_alpha(before, after),
        cover=np.round(cover * 255).astype(np.uint8),
        hole=np.zeros(cover.shape, np.uint8),
        onset=onset,
        box=box,
        size=host.size,
        kind="placebo",
        label="placebo",
        source_id="",
        seed=order.seed,
        length=placement.length / host.extent,
        angle=placement.angle,
        place=host.in_part(placement.centre),
        severity=0.0,
        wanted=None,
        contrast=contrast,
        harmless=True,
    )


def _patch(host: Host, box: Box, weight: Floats, rng: np.random.Generator) -> Floats | None:
    """The part's surface from elsewhere, fitted to the surround of a box; None without room."""
    left, top, right, bottom = box
    before = host.picture[top:bottom, left:right].astype(np.float32)
    part = host.part[top:bottom, left:right]
    support = weight > 0.01
    known = part & ~support
    level = membrane(before, known) if known.any() else before
    best: Floats | None = None
    least = float("inf")
    for x, y in _shifts(host.part, box, support, rng):
        rows, columns = slice(top + y, bottom + y), slice(left + x, right + x)
        donor = host.picture[rows, columns].astype(np.float32)
        around = host.part[rows, columns] & ~support
        if not around.any():
            continue
        fitted = level + donor - membrane(donor, around)
        change = float(((fitted - before)[support] ** 2).mean())
        if change < least:
            best, least = fitted, change
    return best


def _shifts(part: Mask, box: Box, support: Mask, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Steps (x, y) to places of the part with room for the support, nearest to the box's size."""
    left, top, right, bottom = box
    height, width = part.shape
    reach = max(right - left, bottom - top)
    steps = rng.uniform(-3, 3, (12 * SHIFTS, 2)) * reach
    fitting = []
    for x, y in np.round(steps).astype(int).tolist():
        if max(abs(x), abs(y)) < (reach - 2 * MARGIN) / 2:
            continue
        if left + x < 0 or top + y < 0 or right + x > width or bottom + y > height:
            continue
        if part[top + y : bottom + y, left + x : right + x][support].mean() > 0.99:
            fitting.append((x, y))
        if len(fitting) == SHIFTS:
            break
    return fitting


def _contrast(host: Host, box: Box, after: NDArray[np.floating], mask: Mask) -> float:
    """Contrast-to-noise of a changed box."""
    left, top, right, bottom = box
    changed: Image = host.picture.copy()
    changed[top:bottom, left:right] = np.clip(after, 0, 255).round().astype(np.uint8)
    return contrast_to_noise(host.picture, changed, mask, host.part)
