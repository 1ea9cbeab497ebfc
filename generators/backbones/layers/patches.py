"""Frames without their background: the parts' boxes alone, where all else is known already."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from flawcast.configs.renderers import Box, Spot
from flawcast.generators.backbones.layers.belt import Step
from flawcast.generators.backbones.layers.composite import (
    CutOut,
    blend,
    nearest_cut_outs,
    places_within,
)
from flawcast.generators.backbones.layers.keypoints import Keypoints
from flawcast.generators.backbones.layers.model import Image, LayerAppearance, belt_with_part
from flawcast.generators.backbones.layers.motion import driven_boxes


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
        look, steps = self.appearance, cast(list[Step | None], [None] * len(keypoints))
        if look.belt is not None:
            positions = belt_with_part(look, look.belt, keypoints)
            steps = [look.belt.step(position) for position in positions]
        parts: list[list[PlacedPart]] = [[] for _ in steps]
        for cuts, group in zip(look.layers, self._groups, strict=True):
            if cuts:
                for placed, part in zip(
                    parts, self._placed(cuts, keypoints[:, group]), strict=True
                ):
                    left, top, right, bottom = part.box
                    if left < right and top < bottom:
                        placed.append(part)
        return [_spot(step, placed) for step, placed in zip(steps, parts, strict=True)]

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

    def _placed(self, cuts: Sequence[CutOut], keypoints: Keypoints) -> list[PlacedPart]:
        """A part in each frame of a video with its keypoints (F, 6 k); its box may be empty."""
        nearest = np.array(nearest_cut_outs(cuts, keypoints))
        boxes: list[Box] = [(0, 0, 0, 0)] * len(keypoints)
        for index in np.unique(nearest).tolist():
            at, cut = np.flatnonzero(nearest == index), cuts[index]
            found = driven_boxes(cut.keypoints, keypoints[at], cut.box, self.appearance.size)
            for frame, box in zip(at.tolist(), found, strict=True):
                boxes[frame] = box
        return [
            PlacedPart(cuts[index], own, box)
            for index, own, box in zip(nearest.tolist(), keypoints, boxes, strict=True)
        ]


def _spot(step: Step | None, parts: Sequence[PlacedPart]) -> PartSpot:
    """Where the parts of one frame are, all together."""
    corners = np.array([part.box for part in parts] or [(0, 0, 0, 0)])
    left, top = (int(value) for value in corners[:, :2].min(0))
    right, bottom = (int(value) for value in corners[:, 2:].max(0))
    return PartSpot(step, (left, top, right, bottom), tuple(parts))
