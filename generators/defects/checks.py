"""Checks of a defect: visible, on the part, steady, and no copy. What fails says why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.defects.contrast import contrast_to_noise, visible_contrast
from flawcast.generators.defects.host import Host
from flawcast.generators.defects.layer import DefectLayer, Image, Mask
from flawcast.generators.defects.looks import Look, likeness
from flawcast.generators.defects.reasons import RefusedError

LEAST_VISIBLE = 1.0  # contrast-to-noise of the inside against the ring outside
LEAST_CHANGED = 1.5  # contrast-to-noise of the change itself
LEAST_OF_WANTED = 0.7  # share of the contrast that was asked for
LEAST_ON_PART = 0.95  # share of the mask
FEWEST_PIXELS = 6  # of a mask
MOST_SPREAD = 0.35  # of the contrast over frames, as a share of its mean
MOSTLY_SHOWN = 0.5  # share of the largest mask, below which a frame hides the defect
COPY = 0.985  # likeness to a real defect
TWIN, TWIN_WAY = 0.95, 0.1  # likeness to another sample, and distance in the part's extents


@dataclass(frozen=True)
class KnownDefect:
    """A defect that was made before, for comparison: its look, and where it is on the part."""

    kind: str
    look: Look | None
    place: tuple[float, float]


def check_visible(host: Host, layer: DefectLayer) -> None:
    """Refuse a defect that cannot be told from its surround, or is weaker than it should be.

    Args:
        host: The part without the defect.
        layer: The defect on it.

    Raises:
        RefusedError: If it is too faint.
    """
    after = layer.over(host.picture, host.background)
    seen = visible_contrast(after, layer.mask(), host.part)
    least = max(LEAST_CHANGED, LEAST_OF_WANTED * (layer.wanted or 0))
    if layer.contrast < least or seen < LEAST_VISIBLE:
        raise RefusedError(
            "faint",
            f"{layer.kind}: expected a contrast-to-noise of at least {least:.1f} and, against the "
            f"ring around it, of {LEAST_VISIBLE:.1f}, got {layer.contrast:.1f} and {seen:.1f}; "
            "choose another place, type or severity",
        )


def check_on_part(part: Mask, mask: Mask, kind: str = "defect") -> None:
    """Refuse a mask that is empty or lies beside the part.

    Args:
        part: (H, W).
        mask: (H, W).
        kind: What the message calls it.

    Raises:
        RefusedError: If it does.
    """
    pixels = int(mask.sum())
    share = float((mask & part).sum() / max(1, pixels))
    if pixels < FEWEST_PIXELS or share < LEAST_ON_PART:
        raise RefusedError(
            "off_part",
            f"{kind}: expected at least {FEWEST_PIXELS} pixels, {LEAST_ON_PART:.0%} of them on the "
            f"part, got {pixels} and {share:.0%}; choose another place or a larger size",
        )


def frame_contrasts(
    plain: Sequence[Image], defective: Sequence[Image], masks: Sequence[Mask], parts: Sequence[Mask]
) -> NDArray[np.float64]:
    """Contrast-to-noise of a defect in each frame that shows most of it, (n,).

    Args:
        plain: Frames without the defect, RGB, (H, W, 3) each.
        defective: The same with it, full-grown.
        masks: The defect in each, (H, W).
        parts: The part in each, (H, W).
    """
    areas = np.array([mask.sum() for mask in masks])
    shown = np.flatnonzero((areas >= MOSTLY_SHOWN * areas.max(initial=0)) & (areas > 0))
    return np.array(
        [
            contrast_to_noise(plain[index], defective[index], masks[index], parts[index])
            for index in shown.tolist()
        ]
    )


def check_steady(contrasts: NDArray[np.float64], kind: str = "defect") -> None:
    """Refuse a defect whose contrast changes from frame to frame.

    Args:
        contrasts: As `frame_contrasts` gives them.
        kind: What the message calls it.

    Raises:
        RefusedError: If no frame shows it or its contrast varies too much.
    """
    if not len(contrasts):
        raise RefusedError(
            "hidden", f"{kind}: expected a frame that shows it, got none; choose another place"
        )
    spread = float(contrasts.std() / contrasts.mean()) if contrasts.mean() > 0 else float("inf")
    if spread > MOST_SPREAD:
        raise RefusedError(
            "unstable",
            f"{kind}: expected a contrast that varies by at most {MOST_SPREAD:.0%} over frames, "
            f"got {spread:.0%} in {len(contrasts)} frames; choose another place",
        )


def check_new(
    layer: DefectLayer,
    look: Look | None,
    real: Iterable[Look | None] = (),
    made: Iterable[KnownDefect] = (),
) -> None:
    """Refuse a defect that is nearly a copy of a real one or of another sample.

    Args:
        layer: The defect.
        look: Its look.
        real: Looks of real defects.
        made: What was made before for the same part.

    Raises:
        RefusedError: If it is.
    """
    nearest = likeness(look, real)
    if nearest > COPY:
        raise RefusedError(
            "near_real",
            f"{layer.kind}: expected a likeness to real defects of at most {COPY}, got "
            f"{nearest:.3f}; turn or resize it",
        )
    twins = [
        one.look
        for one in made
        if one.kind == layer.kind and np.hypot(*np.subtract(one.place, layer.place)) < TWIN_WAY
    ]
    if likeness(look, twins) > TWIN:
        raise RefusedError(
            "near_sample",
            f"{layer.kind}: expected a defect unlike the other samples, got one of the same look "
            "at the same place; use another seed",
        )
