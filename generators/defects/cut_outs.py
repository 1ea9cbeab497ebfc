"""Cut-outs: a real defect from a still, put on a part by what it changes in its own surround."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.identity import derive_seed
from flawcast.generators.backbones.layers.vision import cv2
from flawcast.generators.defects.contrast import contrast_of, contrast_to_noise
from flawcast.generators.defects.drawing import DARKEST, LIGHTEST, WHITE
from flawcast.generators.defects.host import Host, Image, Mask
from flawcast.generators.defects.layer import DefectLayer
from flawcast.generators.defects.looks import Look, look_of
from flawcast.generators.defects.making import Order, as_layer, check_severity
from flawcast.generators.defects.membrane import membrane
from flawcast.generators.defects.placement import check_wish, place
from flawcast.generators.defects.sketch import SPAN, Floats, Grid, Sketch, clouds

KIND = "cut_out"
FEATHER = 3.0  # pixels of the still over which a change fades out around the mask
CORING = 1.5  # of the still's own noise: changes below it are noise, which the host has itself
BEND = 0.035  # units of the plane by which the outline of a copy departs from the still's
TEXTURE = 0.35  # how much the part's own texture gives way
LEAST_OWN = 2.5  # contrast-to-noise: fainter stills are put on as if they had so much
RANGE = (0.35, 1.3)  # of a still's own contrast, at severity 0 and 1


@dataclass(frozen=True)
class CutOut:
    """A real defect with its surround, as a bank keeps it.

    Args:
        item_id: Names it in its bank.
        label: What it is called.
        picture: RGB, the defect and a margin around it, (h, w, 3).
        mask: The defect, (h, w).
        length: Its length as a share of the part's extent.
    """

    item_id: str
    label: str
    picture: Image
    mask: Mask
    length: float

    def surface(self) -> Floats:
        """What its surround says that the surface would show without it, (h, w, 3)."""
        wide = cv2.dilate(self.mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        known = ~wide if not wide.all() else ~self.mask
        picture = self.picture.astype(np.float32)
        return membrane(picture, known) if known.any() else np.full_like(picture, picture.mean())

    def contrast(self) -> float:
        """Contrast-to-noise in its own still."""
        surface = self.surface().round().clip(0, 255).astype(np.uint8)
        outside = np.where(self.mask[..., None], surface, self.picture)
        return contrast_to_noise(outside, self.picture, self.mask, np.ones_like(self.mask))

    def look(self) -> Look | None:
        """Its look, to recognise copies."""
        surface = self.surface().round().clip(0, 255).astype(np.uint8)
        return look_of(surface, self.picture, self.mask)


def make_cut_out(host: Host, order: Order, cut_out: CutOut) -> DefectLayer:
    """Put a real defect on a part.

    Args:
        host: The part.
        order: What is asked for; severity is relative to the still's own contrast.
        cut_out: The real defect.

    Raises:
        DefectError: If the order is malformed.
        RefusedError: If the defect fits nowhere.
    """
    check_severity(order.severity)
    check_wish(host, order.wish)
    rng = np.random.default_rng(derive_seed(order.seed, KIND, cut_out.item_id))
    grid = Grid.for_length(order.wish.size * host.extent)
    sketch = sketch_of(cut_out, grid, rng)
    placement = place(host, sketch, "inside", order.wish, rng, turn=True)
    own = max(LEAST_OWN, cut_out.contrast())
    contrast = contrast_of(order.severity, (RANGE[0] * own, RANGE[1] * own))
    return as_layer(host, sketch, placement, contrast, order, rng, cut_out.label, cut_out.item_id)


def sketch_of(cut_out: CutOut, grid: Grid, rng: np.random.Generator) -> Sketch:
    """A real defect as a sketch: its change relative to its surround, mirrored and bent a little.

    Args:
        cut_out: The real defect.
        grid: Nodes to draw on.
        rng: Chooses whether it is mirrored, and how it is bent.
    """
    tone, reach = _tone(cut_out)
    rows, columns = np.nonzero(cut_out.mask)
    corners = cv2.boxPoints(
        cv2.minAreaRect(np.stack([columns, rows], -1).astype(np.float32))
    ).astype(np.float64)
    sides = corners[1] - corners[0], corners[2] - corners[1]
    long = max(sides, key=lambda side: float(np.linalg.norm(side)))
    length = max(1.0, float(np.linalg.norm(long)) + 1)
    cos, sin = long / length if np.linalg.norm(long) > 0 else (1.0, 0.0)
    x, y = grid.plane()
    if rng.uniform() < 0.5:
        y = -y
    if rng.uniform() < 0.5:
        x = -x
    x = x + BEND * clouds(rng, grid.nodes, 3, 2)
    y = y + BEND * clouds(rng, grid.nodes, 3, 2)
    middle = corners.mean(0)
    at_x = (middle[0] + (cos * x - sin * y) * length / 2).astype(np.float32)
    at_y = (middle[1] + (sin * x + cos * y) * length / 2).astype(np.float32)
    fade = np.clip((SPAN - np.maximum(abs(x), abs(y))) / 0.1, 0, 1)  # nothing at the grid's border
    cover = _sampled(cut_out.mask.astype(np.float32), at_x, at_y)
    onset = np.clip((x + 1) / 2, 0, 1) if rng.uniform() < 0.5 else np.clip(np.hypot(x, y), 0, 1)
    zeros = grid.zeros()
    return Sketch(
        cover,
        (_sampled(tone, at_x, at_y) * fade[..., None]).astype(np.float32),
        zeros,
        TEXTURE * _sampled(reach, at_x, at_y),
        zeros,
        onset.astype(np.float32),
    )


def _tone(cut_out: CutOut) -> tuple[Floats, Floats]:
    """Relative change of the surface (h, w, 3), and how much each pixel belongs to it (h, w)."""
    surface = cut_out.surface()
    change = cut_out.picture.astype(np.float32) - surface
    outside = ~cut_out.mask
    noise = 1.4826 * float(np.median(np.abs(change[outside]))) if outside.any() else 0.0
    size = np.abs(change).max(-1, keepdims=True)
    change *= 1 - np.exp(-((size / max(1e-3, CORING * noise)) ** 2)) if noise > 0.1 else 1
    away = cv2.distanceTransform(outside.astype(np.uint8), cv2.DIST_L2, 3)
    reach = np.clip(1 - away / FEATHER, 0, 1).astype(np.float32)
    darker = np.minimum(change, 0) / np.maximum(surface, 8)
    lighter = np.maximum(change, 0) / np.maximum(WHITE - surface, 8)
    tone = np.clip(darker + lighter, DARKEST, LIGHTEST) * reach[..., None]
    return tone.astype(np.float32), reach


def _sampled(values: NDArray[np.float32], x: Floats, y: Floats) -> Floats:
    """Values of a still at positions of a grid; 0 outside."""
    return np.asarray(cv2.remap(values, x, y, cv2.INTER_LINEAR, borderValue=0), np.float32)
