"""A defect on one of a source's parts: painted on its cut-outs, so that it moves as they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.mask_levels import DEFECT, PART
from flawcast.generators.backbones.layers.composite import CutOut, cover, nearest_cut_out
from flawcast.generators.backbones.layers.keypoints import Keypoints
from flawcast.generators.backbones.layers.model import LayerAppearance
from flawcast.generators.backbones.layers.motion import dense_motion
from flawcast.generators.defects.layer import HALF, DefectLayer
from flawcast.generators.defects.motion import carried_to, move, painted

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Cuts = Sequence[Sequence[CutOut]]

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
        self._group = np.repeat(appearance.groups == defect.part, 6)

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
        free = np.ones(look.size, np.float32)  # what later parts leave of this one
        for layer, cuts in enumerate(look.layers):
            if not cuts:
                continue
            own = driving[np.repeat(look.groups == layer, 6)]
            (left, top, right, bottom), alpha = cover(
                cuts[nearest_cut_out(cuts, own)], own, look.size
            )
            if right <= left or bottom <= top:
                continue
            inner = slice(top, bottom), slice(left, right)
            levels[inner][alpha > HALF] = PART
            if layer > part:
                free[inner] *= 1 - alpha / np.float32(255)
        return self._with_defect(levels, free, index, driving[self._group])

    def _with_defect(
        self, levels: Image, free: NDArray[np.float32], index: int, own: Keypoints
    ) -> Image:
        """The levels of parts with the defect on them."""
        cuts = self._look.layers[self._defect.part]
        chosen = nearest_cut_out(cuts, own)
        box, alpha = cover(cuts[chosen], own, self._look.size)
        left, top, right, bottom = box
        if right <= left or bottom <= top:
            return levels
        inner = slice(top, bottom), slice(left, right)
        visible = alpha * (free[inner] / np.float32(255))
        field = dense_motion(cuts[chosen].keypoints, own, box, self._look.size)
        moved = move(self._on_cuts[chosen], field, self._defect.progress_at(index), visible)
        levels[inner][moved.mask] = DEFECT
        return levels

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
        x0, y0, x1, y1 = layer.box
        return replace(layer, box=(x0 + left, y0 + top, x1 + left, y1 + top), size=self._look.size)


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
