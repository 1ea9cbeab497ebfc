"""A defect on one of a source's parts: painted on its cut-outs, so that it moves as they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.mask_levels import DEFECT, PART
from flawcast.generators.backbones.layers.composite import (
    CutOut,
    cover,
    nearest_cut_out,
    source_places,
)
from flawcast.generators.backbones.layers.keypoints import Keypoints
from flawcast.generators.backbones.layers.model import LayerAppearance
from flawcast.generators.backbones.layers.motion import Box, dense_motion
from flawcast.generators.defects.layer import HALF, DefectLayer
from flawcast.generators.defects.motion import carried_to, move, painted

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Cuts = Sequence[Sequence[CutOut]]
Place = tuple[int, Keypoints, Box, Image]  # cut-out, keypoints, box and alpha of a part

ON, BOX, PIXELS = "defect_on", "defect_box", "defect_pixels"  # of a source's arrays


@dataclass(frozen=True)
class PartDefect:
    """A defect on one part.

    Args:
        layer: The defect, in the frame that one of the part's cut-outs comes from.
        part: Which layer of the appearance the part is.
        cut: Which of its cut-outs.
        progress: How far it has grown in each frame, (F,); None if it is full-grown in all.
    """

    layer: DefectLayer
    part: int
    cut: int
    progress: NDArray[np.float32] | None = None

    def progress_at(self, index: int) -> float:
        """How far it has grown in one frame."""
        return 1.0 if self.progress is None else float(self.progress[index])


class DefectiveParts:
    """The cut-outs of a source, one part of which has a defect.

    Args:
        appearance: The source without it.
        defect: The defect.
    """

    def __init__(self, appearance: LayerAppearance, defect: PartDefect) -> None:
        self._look, self._defect = appearance, defect
        count = range(len(appearance.layers))
        self._groups = [np.repeat(appearance.groups == layer, 6) for layer in count]

    def cuts_at(self, index: int) -> Cuts:
        """All cut-outs as one frame shows them, for `drawn`."""
        progress = self._defect.progress_at(index)
        if progress >= 1:
            return self._full_grown
        return self._painted(progress) if progress > 0 else self._look.layers

    def levels_at(self, index: int, driving: Keypoints) -> Image:
        """Levels of one frame, (H, W): the defect, other surface of parts, and the background.

        Args:
            index: The frame.
            driving: Its keypoints, (D,).
        """
        look, part = self._look, self._defect.part
        levels = np.zeros(look.size, np.uint8)
        place: Place | None = None
        hidden: list[tuple[Box, Image]] = []  # what later parts cover
        for layer, cuts in enumerate(look.layers):
            if not cuts:
                continue
            own = driving[self._groups[layer]]
            chosen = nearest_cut_out(cuts, own)
            box, alpha = cover(cuts[chosen], own, look.size)
            left, top, right, bottom = box
            if right <= left or bottom <= top:
                continue
            levels[top:bottom, left:right][alpha > HALF] = PART
            if layer == part:
                place = chosen, own, box, alpha
            elif layer > part:
                hidden.append((box, alpha))
        if place is not None:
            self._add_defect(levels, index, place, hidden)
        return levels

    def _add_defect(
        self, levels: Image, index: int, place: Place, hidden: Sequence[tuple[Box, Image]]
    ) -> None:
        """Mark the defect in the levels of parts, where no later part hides it."""
        chosen, own, box, alpha = place
        cut = self._look.layers[self._defect.part][chosen]
        _, field = source_places(cut, own, self._look.size)
        if field is None:
            return
        left, top, right, bottom = box
        visible = alpha / np.float32(255)
        if hidden:
            free = np.ones(self._look.size, np.float32)
            for (x0, y0, x1, y1), over in hidden:
                free[y0:y1, x0:x1] *= 1 - over / np.float32(255)
            visible = visible * free[top:bottom, left:right]
        moved = move(self._in_cuts[chosen], field, self._defect.progress_at(index), visible)
        x0, y0, x1, y1 = moved.box
        inner = levels[top + y0 : top + y1, left + x0 : left + x1]
        inner[moved.cover > HALF] = DEFECT

    @cached_property
    def _full_grown(self) -> Cuts:
        """Cut-outs with the whole defect."""
        return self._painted(1.0)

    def _painted(self, progress: float) -> Cuts:
        """Cut-outs with as much of the defect as has grown."""
        layers = list(self._look.layers)
        layers[self._defect.part] = tuple(
            replace(cut, pixels=painted(cut.pixels, cut.box, layer, progress))
            for cut, layer in zip(layers[self._defect.part], self._on_cuts, strict=True)
        )
        return layers

    @cached_property
    def _on_cuts(self) -> list[DefectLayer]:
        """The defect in the frame of each of the part's cut-outs."""
        cuts = self._look.layers[self._defect.part]
        home = cuts[self._defect.cut]
        return [
            self._defect.layer if number == self._defect.cut else self._carried(home, cut)
            for number, cut in enumerate(cuts)
        ]

    @cached_property
    def _in_cuts(self) -> list[DefectLayer]:
        """The same, each in the pixels of its cut-out."""
        return [
            replace(layer, box=_shifted(layer.box, cut.box[:2]))
            for layer, cut in zip(self._on_cuts, self._look.layers[self._defect.part], strict=True)
        ]

    def _carried(self, home: CutOut, cut: CutOut) -> DefectLayer:
        """The defect in the frame of another cut-out, looked for in its box alone."""
        height, width = self._look.size
        left, top = max(0, cut.box[0]), max(0, cut.box[1])
        right, bottom = min(width, cut.box[2]), min(height, cut.box[3])
        if right <= left or bottom <= top:
            left, top, right, bottom = 0, 0, 1, 1
        box = (left, top, right, bottom)
        field = dense_motion(home.keypoints, cut.keypoints, box, self._look.size)
        layer = carried_to(self._defect.layer, field)
        return replace(layer, box=_shifted(layer.box, (-left, -top)), size=self._look.size)


def _shifted(box: Box, origin: tuple[int, int]) -> Box:
    """A box seen from another origin."""
    x, y = origin
    return box[0] - x, box[1] - y, box[2] - x, box[3] - y


def grown_by(onset: int | None, frames: int) -> NDArray[np.float32] | None:
    """How far a defect has grown in each frame: nothing before its onset, all of it at the end.

    Args:
        onset: Frame in which it begins; None for one that is there from the start.
        frames: F.
    """
    if onset is None:
        return None
    steps = np.arange(frames, dtype=np.float32)
    return np.clip((steps - onset + 1) / max(1, frames - onset), 0, 1).astype(np.float32)


def to_arrays(defect: PartDefect) -> dict[str, NDArray[Any]]:
    """What drawing needs of a defect, exactly: kilobytes."""
    layer = defect.layer
    arrays: dict[str, NDArray[Any]] = {
        ON: np.array([defect.part, defect.cut, layer.harmless, *layer.size], np.int64),
        BOX: np.array(layer.box, np.int64),
        PIXELS: layer.pixels,
        "defect_cover": layer.cover,
    }
    if layer.hole.any():
        arrays["defect_hole"] = layer.hole
    if defect.progress is not None:
        arrays |= {"defect_onset": layer.onset, "defect_progress": defect.progress}
    return arrays


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> PartDefect | None:
    """The defect that `to_arrays` took apart, without what was said of it; None if there is none.

    Raises:
        KeyError: If an array is missing.
    """
    if ON not in arrays:
        return None
    part, cut, harmless, height, width = (int(value) for value in arrays[ON])
    left, top, right, bottom = (int(value) for value in arrays[BOX])
    cover_ = arrays["defect_cover"]
    nothing = np.zeros(cover_.shape, np.uint8)
    layer = DefectLayer(
        pixels=arrays[PIXELS],
        cover=cover_,
        hole=arrays.get("defect_hole", nothing),
        onset=arrays.get("defect_onset", nothing.astype(np.float32)),
        box=(left, top, right, bottom),
        size=(height, width),
        kind="",
        label="",
        source_id="",
        seed=0,
        length=0.0,
        angle=0.0,
        place=(0.0, 0.0),
        severity=0.0,
        wanted=None,
        contrast=0.0,
        harmless=bool(harmless),
    )
    return PartDefect(layer, part, cut, arrays.get("defect_progress"))
