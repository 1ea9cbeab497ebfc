"""The blind test of paste edges: does the border of a layer look like untouched surface?"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.generators.defects.host import Host, Image
from flawcast.generators.defects.layer import DefectLayer
from flawcast.selection.detection_scores import auroc

REACH = 3  # pixels from the middle of a patch to its border
CLEAR = REACH + 0.5  # pixels between a mask and the middle of a patch that does not touch it
PER_DEFECT = 40  # patches around one defect
NEURONS, RIDGE = 192, 3.0
FOLDS = 4

Floats = NDArray[np.float64]


@dataclass
class EdgePatches:
    """Patches around the borders of layers, each beside the untouched surface at the same place.

    Args:
        features: Of each patch, (n, d).
        pasted: Whether it was altered, (n,).
        groups: Part that it comes from, (n,): no part is in training and test.
    """

    features: list[Floats] = field(default_factory=list)
    pasted: list[bool] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)

    def add(self, host: Host, layer: DefectLayer, group: int, rng: np.random.Generator) -> None:
        """Add patches across the border of what a layer alters that do not touch its mask.

        Args:
            host: The part without the defect.
            layer: The layer on it.
            group: Number of the part.
            rng: Chooses the patches.
        """
        after = layer.over(host.picture, host.background)
        left, top, right, bottom = layer.box
        altered = np.zeros(host.part.shape, np.uint8)
        altered[top:bottom, left:right] = (layer.pixels[..., 3] > 0) | (layer.hole > 0)
        inner = cv2.erode(host.part.astype(np.uint8), np.ones((2 * REACH + 3,) * 2, np.uint8))
        outside = cv2.distanceTransform(1 - altered, cv2.DIST_L2, 5)
        signed = outside - cv2.distanceTransform(altered, cv2.DIST_L2, 5)
        border = (np.abs(signed) <= REACH - 1) & (inner > 0)
        mask = layer.mask()
        if mask.any():  # the defect itself is there to be seen: its paste is judged, not its looks
            away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
            border &= away > CLEAR
        rows, columns = np.nonzero(border[REACH:-REACH, REACH:-REACH])
        if not len(rows):
            return
        chosen = rng.permutation(len(rows))[:PER_DEFECT]
        across, down = (cv2.Sobel(signed, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
        for row, column in zip(rows[chosen] + REACH, columns[chosen] + REACH, strict=True):
            turn = float(np.arctan2(down[row, column], across[row, column]))
            for picture, pasted in ((after, True), (host.picture, False)):
                self.features.append(_features(picture, int(row), int(column), turn))
                self.pasted.append(pasted)
                self.groups.append(group)

    def auroc(self) -> float:
        """AUROC over folds of parts; 0.5 is what guessing gives, nan where a fold lacks patches."""
        if not self.features:
            return float("nan")
        values, truth = np.stack(self.features), np.array(self.pasted)
        folds = np.array(self.groups) % FOLDS
        scores = np.zeros(len(values))
        for fold in range(FOLDS):
            test = folds == fold
            if test.all() or not test.any():
                return float("nan")
            scores[test] = _scores(values[~test], truth[~test], values[test])
        return float(auroc(scores, truth))


def _features(picture: Image, row: int, column: int, turn: float) -> Floats:
    """A patch, turned so that the layer lies to its left: profiles of level and of roughness."""
    cos, sin = np.cos(turn), np.sin(turn)
    steps = np.arange(-REACH, REACH + 1)
    along, across = np.meshgrid(steps, steps)
    x = (column + cos * along - sin * across).astype(np.float32)
    y = (row + sin * along + cos * across).astype(np.float32)
    patch = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    patch = patch.astype(np.float64)
    level = patch.mean(-1)
    profile = level.mean(0) - level.mean()
    rough = np.abs(np.diff(level, axis=0)).mean(0)
    steep = np.abs(np.diff(level, axis=1)).mean(0)
    second = np.abs(level[:, :-2] - 2 * level[:, 1:-1] + level[:, 2:]).mean(0)
    colour = (patch - level[..., None]).mean(0) - (patch - level[..., None]).mean((0, 1))
    return np.concatenate(
        [profile, np.log1p(rough), np.log1p(steep), np.log1p(second), colour.ravel(), [level.std()]]
    )


def _scores(values: Floats, truth: NDArray[np.bool_], test: Floats) -> Floats:
    """Ridge regression on random rectified features of standardised values."""
    mean, spread = values.mean(0), values.std(0) + 1e-6
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((values.shape[1], NEURONS)) / np.sqrt(values.shape[1])
    shift = rng.uniform(-1, 1, NEURONS)

    def lifted(rows: Floats) -> Floats:
        scaled = np.clip((rows - mean) / spread, -4, 4)
        neurons = np.maximum(scaled @ weights + shift, 0)
        return np.concatenate([scaled, neurons, np.ones((len(rows), 1))], 1)

    known = lifted(values)
    gram = known.T @ known + RIDGE * np.eye(known.shape[1])
    fit = np.linalg.solve(gram, known.T @ (2.0 * truth - 1))
    return np.asarray(lifted(test) @ fit)
