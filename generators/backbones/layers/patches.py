"""Frames without their background: the parts' boxes alone, where all else is known already."""

from dataclasses import dataclass
from typing import cast

import numpy as np

from flawcast.configs.renderers import Box, Spot
from flawcast.generators.backbones.layers.belt import Step
from flawcast.generators.backbones.layers.composite import (
    CutOut,
    blend,
    nearest_cut_out,
    places_within,
)
from flawcast.generators.backbones.layers.keypoints import Keypoints
from flawcast.generators.backbones.layers.model import Image, LayerAppearance, belt_with_part
from flawcast.generators.backbones.layers.motion import driven_box


@dataclass(frozen=True)
class PlacedPart:
    """A part in one frame.

    Args:
        cut_out: What it looks like.
        keypoints: Its own in this frame, (6 k,).
        box: Where it may lie, not empty.
    """

    cut_out: CutOut
    keypoints: Keypoints
    box: Box


@dataclass(frozen=True, eq=False)
class PartSpot(Spot):
    """A spot with its parts, in the order in which they are drawn."""

    parts: tuple[PlacedPart, ...]


class Patches:
    """Draws boxes of the frames of one source: bit by bit what whole frames show there.

    Args:
        appearance: What the source looks like.
    """

    def __init__(self, appearance: LayerAppearance) -> None:
        self.appearance = appearance
        layers = range(len(appearance.layers))
        self._groups = [np.repeat(appearance.groups == layer, 6) for layer in layers]

    def spots(self, keypoints: Keypoints) -> list[PartSpot]:
        """Where the parts are in each frame of a video with keypoints (F, D)."""
        look, steps = self.appearance, [None] * len(keypoints)
        if look.belt is not None:
            positions = belt_with_part(look, look.belt, keypoints)
            steps = [look.belt.step(position) for position in positions]
        return [self._spot(step, one) for step, one in zip(steps, keypoints, strict=True)]

    def backdrop(self, spot: Spot, box: Box | None = None) -> Image:
        """The plate with its belt, or a box of it: a new array, (h, w, 3)."""
        look, step = self.appearance, cast(Step | None, spot.backdrop)
        left, top, right, bottom = box = box or (0, 0, look.size[1], look.size[0])
        if look.belt is None or step is None:
            return look.plate[top:bottom, left:right].copy()
        return look.belt.at(look.plate, step, box)

    def patch(self, spot: Spot) -> Image:
        """The box of a frame, (h, w, 3)."""
        pixels = self.backdrop(spot, spot.box)
        for part in cast(PartSpot, spot).parts:
            left, top, right, bottom = part.box
            field = places_within(
                part.cut_out.keypoints,
                part.cut_out.box,
                part.keypoints,
                part.box,
                self.appearance.size,
            )
            down, across = top - spot.box[1], left - spot.box[0]
            under = pixels[down : down + bottom - top, across : across + right - left]
            blend(under, part.cut_out, field)
        return pixels

    def _spot(self, step: Step | None, keypoints: Keypoints) -> PartSpot:
        """Where the parts of one frame are."""
        parts = []
        for cuts, group in zip(self.appearance.layers, self._groups, strict=True):
            if not cuts:
                continue
            own = keypoints[group]
            cut = cuts[nearest_cut_out(cuts, own)]
            box = driven_box(cut.keypoints, own, cut.box, self.appearance.size)
            if box[0] < box[2] and box[1] < box[3]:
                parts.append(PlacedPart(cut, own, box))
        corners = np.array([part.box for part in parts] or [(0, 0, 0, 0)])
        left, top = (int(value) for value in corners[:, :2].min(0))
        right, bottom = (int(value) for value in corners[:, 2:].max(0))
        return PartSpot(step, (left, top, right, bottom), tuple(parts))
