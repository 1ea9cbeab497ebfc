"""Parts found by a learned detector, where they cannot be followed by their corners."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.affine import Affine, moved, plausible
from flawcast.generators.backbones.layers.detector import Detection, PartDetector, shared_motion
from flawcast.generators.backbones.layers.mattes import components, grown
from flawcast.generators.backbones.layers.parts import Seed, voted_mask
from flawcast.generators.backbones.layers.tracking import Template, Track, refined
from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

AT_ONCE = 16  # frames
MOST_OF_FRAME = 0.6  # of its width or height: a longer region is no part
SEEDS = 3  # source frames that are tried
LEAST_HIT = 0.4  # share of the part that must lie where something moves
LEAST_WITHIN = 0.1  # share of the part within the frame
BETTER = 0.02  # correlation that a refined motion is ahead of the detected one


class PartFinder:
    """Finds one part in single frames by a detector that was adapted to it.

    Each frame is looked at by itself, so that a part that was lost is found again. Where corners
    agree with the detector, they place the part to a fraction of a pixel.

    Args:
        detector: In eval mode.
        refine: Whether corners may correct the detector.
    """

    def __init__(self, detector: PartDetector, refine: bool = True) -> None:
        self.detector, self.refine = detector, refine

    def find(self, small: Image, plate: Image, moving: Mask) -> list[Track]:
        """The part that explains most of what moves.

        Args:
            small: Frames at working size, RGB, (T, h, w, 3).
            plate: Their background, RGB, (h, w, 3).
            moving: Where each frame differs from it, (T, h, w).

        Returns:
            Its track; none where nothing moves.
        """
        found = self._detected(small, plate)
        best: tuple[float, Track] | None = None
        for seed in compact_seeds(moving):
            motions = self._motions(found, seed.frame, small.shape[1:3])
            one = self._checked(seed, small, motions, moving)
            one = replace(one, mask=voted_mask(moving, one))
            inside = _carried(one)[one.tracked] & moving[one.tracked]
            explained = float(inside.sum())
            if one.tracked.sum() > 1 and (best is None or explained > best[0]):
                best = explained, one
        return [] if best is None else [best[1]]

    def later(self, one: Track, source: Image, small: Image, plate: Image, moving: Mask) -> Track:
        """The same track, longer by further frames; none depends on a frame after its own.

        Args:
            one: The track of the observed frames.
            source: Its source frame, RGB, (h, w, 3).
            small: The further frames, RGB, (T', h, w, 3).
            plate: Their background.
            moving: Where each differs from it, (T', h, w).
        """
        found = self._detected(np.concatenate([source[None], small]), plate)
        motions = self._motions(found, 0, small.shape[1:3])[1:]
        template = Template(cv2.cvtColor(source, cv2.COLOR_RGB2GRAY), one.mask)
        whole, tracked, visible = list(one.motions), list(one.tracked), list(one.visible)
        for frame, mask, motion in zip(small, moving, motions, strict=True):
            grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
            best, sure = self._best(template, grey, mask, motion)
            if not sure:  # it goes on as it went
                known = np.flatnonzero(tracked)
                step = (whole[known[-1]] - whole[known[0]]) / max(1, known[-1] - known[0])
                best = whole[-1] + step
            whole.append(best)
            tracked.append(sure)
            visible.append(template.likeness(grey, best)[1])
        return replace(
            one,
            motions=np.stack(whole),
            tracked=np.array(tracked),
            visible=np.array(visible),
        )

    @torch.no_grad()
    def _detected(self, small: Image, plate: Image) -> Detection:
        """Keypoints of every frame."""
        side, device = self.detector.config.frame, next(self.detector.parameters()).device
        background = _planes([plate], side).to(device)
        pieces = [
            self.detector(chunk, background.expand_as(chunk))
            for start in range(0, len(small), AT_ONCE)
            for chunk in [_planes(small[start : start + AT_ONCE], side).to(device)]
        ]
        value = torch.cat([piece.value for piece in pieces]).double().cpu()
        jacobian = torch.cat([piece.jacobian for piece in pieces]).double().cpu()
        return Detection(value, jacobian)

    @staticmethod
    def _motions(found: Detection, source: int, size: tuple[int, ...]) -> Affine:
        """Motion from a source frame to every frame, pixels, (T, 2, 3)."""
        own = Detection(
            found.value[source].expand_as(found.value),
            found.jacobian[source].expand_as(found.jacobian),
        )
        motion = shared_motion(own, found).numpy()
        half = np.array(size[1::-1], np.float64) / 2
        linear = motion[..., :2] * half[:, None] / half
        middle = half - 0.5
        shift = motion[..., 2] * half + middle - linear @ middle
        return np.concatenate([linear, shift[..., None]], -1)

    def _checked(self, seed: Seed, small: Image, motions: Affine, moving: Mask) -> Track:
        """A track of detected motions; those that meet nothing that moves are bridged."""
        greys = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in small])
        template = Template(greys[seed.frame], seed.mask)
        best, tracked = motions.copy(), np.zeros(len(small), bool)
        for index in range(len(small)):
            if index == seed.frame:
                best[index], tracked[index] = np.eye(2, 3), True
                continue
            best[index], tracked[index] = self._best(
                template, greys[index], moving[index], motions[index]
            )
        whole = bridged(best, tracked)
        visible = [template.likeness(*pair)[1] for pair in zip(greys, whole, strict=True)]
        return Track(seed.frame, seed.mask, whole, tracked, np.array(visible))

    def _best(
        self, template: Template, grey: Image, moving: Mask, motion: Affine
    ) -> tuple[Affine, bool]:
        """The detected motion, or that of the corners near it, and whether it can be believed."""
        stretch = np.linalg.svd(motion[:, :2], compute_uv=False)
        if stretch.min() < 0.3 or stretch.max() > 3:
            return motion, False
        best = motion
        if self.refine:
            corrected = refined(template.grey, grey, template.points, motion)
            if corrected is not None and plausible(corrected, motion):
                here, there = (template.likeness(grey, one)[0] for one in (motion, corrected))
                best = corrected if there + BETTER > here else motion
        at = moved(template.pixels, best).round().astype(int)
        height, width = grey.shape
        inside = ((at >= 0) & (at < (width, height))).all(-1)
        if inside.mean() < LEAST_WITHIN:
            return best, False
        hit = grown(moving, 2)[at[inside, 1], at[inside, 0]].mean()
        return best, bool(hit > LEAST_HIT)


def bridged(motions: Affine, tracked: Mask) -> Affine:
    """Motions of a track, those between measured ones on a line, those beyond as they went.

    Args:
        motions: (T, 2, 3).
        tracked: Which were measured, (T,), at least one.
    """
    known = np.flatnonzero(tracked)
    result = motions.copy()
    for index in np.flatnonzero(~tracked):
        after = int(np.searchsorted(known, index))
        pair = known[max(0, after - 1) : after + 1] if after < len(known) else known[-2:]
        pair = known[:2] if after == 0 else pair
        if len(pair) == 1:
            result[index] = motions[pair[0]]
            continue
        share = (index - pair[0]) / (pair[1] - pair[0])
        result[index] = motions[pair[0]] + share * (motions[pair[1]] - motions[pair[0]])
    return result


def compact_seeds(moving: Mask, most: int = SEEDS) -> list[Seed]:
    """Regions that may be a part, the most promising first, each of another time.

    A camera that shakes makes rails and edges move, too. These are long or ragged; a part is
    compact, and whole in some frame.

    Args:
        moving: Where each frame differs from its background, (T, h, w).
        most: How many seeds at most.
    """
    seeds = []
    for frame, one in enumerate(moving):
        for mask in components(one)[:6]:
            rows, columns = np.nonzero(mask)
            height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
            filling = len(rows) / float(height * width)
            if max(height / one.shape[0], width / one.shape[1]) > MOST_OF_FRAME:
                continue
            cut = mask[[0, -1]].any() or mask[:, [0, -1]].any()
            seeds.append(Seed(frame, mask, len(rows) * filling**2 * (0.3 if cut else 1.0)))
    chosen: list[Seed] = []
    for seed in sorted(seeds, key=lambda one: -one.score):
        apart = all(abs(seed.frame - one.frame) > 2 for one in chosen)
        size = seed.mask.sum() / chosen[0].mask.sum() if chosen else 1.0
        if len(chosen) < most and apart and 0.5 < size < 2:  # another size is another thing
            chosen.append(seed)
    return chosen


def _carried(one: Track) -> Mask:
    """The part in every frame, (T, h, w)."""
    size, floats = one.mask.shape[1::-1], one.mask.astype(np.float32)
    return np.stack([cv2.warpAffine(floats, motion, size) > 0.5 for motion in one.motions])


def _planes(frames: Sequence[Image] | Image, side: int) -> torch.Tensor:
    """Frames stretched to squares, (T, 3, side, side) in [0, 1]."""
    squares = [cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA) for one in frames]
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255
