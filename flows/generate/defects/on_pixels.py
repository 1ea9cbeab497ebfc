"""A set's defect where a learned model draws: laid over its frames by its own dense motion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.defect_settings import DefectOrder, MadeDefect
from flawcast.configs.mask_levels import DEFECT, PART
from flawcast.flows.generate.defects.candidates import (
    WORDS,
    Candidate,
    candidates,
    check_futures,
    describe,
    made_again,
)
from flawcast.flows.generate.defects.parts import ChosenPart
from flawcast.generators.backbones.layers.defective import grown_by
from flawcast.generators.backbones.layers.vision import cv2
from flawcast.generators.defects import (
    DefectLayer,
    MovedDefect,
    RefusedError,
    field_of_deformation,
    move,
)
from flawcast.generators.defects.layer import HALF
from flawcast.generators.rendering.carried_masks import FrameMaps
from flawcast.generators.rendering.native import SEEN, UNSEEN
from flawcast.generators.rendering.scene import Scene

Image = NDArray[np.uint8]
Region = NDArray[np.bool_] | None


@dataclass(frozen=True)
class OnPixels:
    """Kept videos with a defect.

    Args:
        videos: RGB, (k, F, H, W, 3).
        levels: Defect, part and background, (k, F, H, W).
        valid: Where the levels are reliable, (k, F, H, W).
        ranks: Places of these videos among the kept ones.
        made: What became of the order.
    """

    videos: Image
    levels: Image
    valid: NDArray[np.bool_]
    ranks: tuple[int, ...]
    made: MadeDefect


@dataclass(frozen=True)
class _Moved:
    """A defect and its part in one frame of a rendered video."""

    defect: MovedDefect  # as far as it has grown
    whole: MovedDefect  # full-grown
    part: Image
    valid: NDArray[np.bool_]

    def levels(self, moved: MovedDefect) -> Image:
        """Levels of the frame."""
        return np.where(moved.mask, np.uint8(DEFECT), self.part)


class DefectOnPixels:
    """The defects that a set may get, the first of them made at once.

    Args:
        order: What is asked for.
        chosen: The part that it is put on.
        frames: Frames of a future, F.
        region: Where it may lie in the source frame, (H, W).
        bank: Folder of the bank that the order's item is of.

    Raises:
        RefusedError: If none can be made.
    """

    def __init__(
        self,
        order: DefectOrder,
        chosen: ChosenPart,
        frames: int,
        region: Region,
        bank: Path | None,
    ) -> None:
        self._order, self._chosen = order, chosen
        self._progress = grown_by(order.onset, frames)
        self._more = candidates(order, chosen, region, bank)
        self._first = next(self._more)

    def put(self, scene: Scene, futures: Tensor, videos: Image, indices: Sequence[int]) -> OnPixels:
        """Put it on a set's kept videos, at a place where most of them show it.

        Args:
            scene: The source.
            futures: Keypoints of all futures, (N, F, D).
            videos: The kept ones without it, (K, F, H, W, 3).
            indices: Which futures these are.

        Raises:
            RefusedError: If they do not show it anywhere.
        """
        candidate: Candidate | None = self._first
        while candidate is not None:
            layer = baked(candidate.layer, self._chosen)
            moved = [
                list(moved_along(layer, self._chosen, scene, futures[index], self._progress))
                for index in indices
            ]
            if self._order.placebo:
                made = describe(candidate, None)
                return _laid_over(videos, moved, tuple(range(len(indices))), made)

            def draw(
                rank: int, times: Sequence[int], moved: list[list[_Moved]] = moved
            ) -> tuple[Image, Image, Image]:
                shown = [moved[rank][time] for time in times]
                plain = videos[rank][list(times)]
                after = [one.whole.over(frame) for one, frame in zip(shown, plain, strict=True)]
                levels = [one.levels(one.whole) for one in shown]
                return plain, np.stack(after), np.stack(levels)

            steady = check_futures(draw, len(indices), videos.shape[1], self._order.label)
            if steady.enough:
                return _laid_over(videos, moved, steady.ranks, describe(candidate, steady))
            candidate = next(self._more, None)
        reason = steady.dropped.most_common(1)[0][0]
        raise RefusedError(reason, f"{self._order.label}: {WORDS[reason]}")


def video_again(
    order: DefectOrder,
    made: MadeDefect,
    chosen: ChosenPart,
    scene: Scene,
    future: Tensor,
    region: Region,
    bank: Path | None,
) -> Image:
    """One video as a set's row says it is, (F, H, W, 3).

    Args:
        order: What was asked for.
        made: What became of it.
        chosen: The part that it is on.
        scene: The source.
        future: Keypoints, (F, D).
        region: Where it may lie, (H, W).
        bank: Folder of the bank that the order's item is of.
    """
    video = scene.render(future)
    if made.refused:
        return video
    layer = baked(made_again(order, made, chosen, region, bank), chosen)
    moved = moved_along(layer, chosen, scene, future, grown_by(order.onset, len(future)))
    return np.stack([one.defect.over(frame) for one, frame in zip(moved, video, strict=True)])


def with_levels(masks: FrameMaps | None, put: OnPixels) -> FrameMaps:
    """Masks of kept videos with the defect, over those of the clip if they were asked for."""
    if masks is None:
        return FrameMaps(put.levels, put.valid)
    return FrameMaps(np.maximum(masks.maps, put.levels), masks.valid | (put.levels == DEFECT))


def baked(layer: DefectLayer, chosen: ChosenPart) -> DefectLayer:
    """A layer for a model that has no background of its own."""
    host = chosen.host
    if not layer.hole.any():
        return layer
    if host.background is None:
        return replace(layer, hole=np.zeros_like(layer.hole))
    return layer.baked(host.picture, host.background)


def moved_along(
    layer: DefectLayer,
    chosen: ChosenPart,
    scene: Scene,
    future: Tensor,
    progress: NDArray[np.float32] | None,
) -> Iterator[_Moved]:
    """A defect in each frame of a future.

    Args:
        layer: The defect, without holes.
        chosen: Its part.
        scene: The source.
        future: Keypoints, (F, D).
        progress: How far it has grown in each frame, (F,); None for full-grown.
    """
    size = chosen.host.size
    part = np.where(chosen.host.part, np.uint8(255), np.uint8(0))
    index = 0
    for batch in scene.renderings(future):
        for number in range(len(batch.deformation)):
            deformation = batch.deformation[number].float().cpu().numpy()
            field = field_of_deformation(deformation, size)
            seen = np.ones(size, np.float32)
            if batch.occlusion is not None:
                map_ = batch.occlusion[number, 0].float().cpu().numpy()
                large = cv2.resize(map_, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
                seen = np.clip((large - UNSEEN) / (SEEN - UNSEEN), 0, 1).astype(np.float32)
            inside = (field >= -0.5) & (field <= np.array([size[1], size[0]]) - 0.5)
            seen *= inside.all(-1)
            shown = cv2.remap(part, field, None, cv2.INTER_LINEAR, borderValue=0)
            levels = np.where((shown > HALF) & (seen > 0.5), np.uint8(PART), np.uint8(0))
            whole = move(layer, field, 1.0, seen)
            grown = 1.0 if progress is None else float(progress[index])
            now = whole if grown >= 1 else move(layer, field, grown, seen)
            yield _Moved(now, whole, levels, seen > 0.5)
            index += 1


def _laid_over(
    videos: Image, moved: Sequence[Sequence[_Moved]], ranks: tuple[int, ...], made: MadeDefect
) -> OnPixels:
    """Kept videos with the defect."""
    after, levels, valid = [], [], []
    for rank in ranks:
        pairs = list(zip(moved[rank], videos[rank], strict=True))
        after.append(np.stack([one.defect.over(frame) for one, frame in pairs]))
        levels.append(np.stack([one.levels(one.defect) for one in moved[rank]]))
        valid.append(np.stack([one.valid | one.defect.mask for one in moved[rank]]))
    return OnPixels(np.stack(after), np.stack(levels), np.stack(valid), ranks, made)
