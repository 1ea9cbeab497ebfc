"""How far a belt is shifted in each frame, by its texture."""

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]
Positions = NDArray[np.float64]  # (T, 2), pixels

LEAST_LIKENESS = 0.4  # correlation of the belt's texture with itself one frame later
LEAST_STEP = 0.3  # pixels a frame
MOST_UNEVEN = 0.6  # spread of the steps, in median steps


def belt_positions(frames: Image, plate: Image, covered: Mask, part: Positions) -> Positions | None:
    """Measure how far the belt is shifted in each frame, if it moves at all.

    Args:
        frames: RGB, (T, H, W, 3).
        plate: RGB, (H, W, 3).
        covered: Where parts are, (T, H, W).
        part: Centre of the part that probably lies on the belt, (T, 2), pixels: a first guess.

    Returns:
        Shifts since the first frame, (T, 2), pixels, or None for a belt that stands still or has
        no texture.
    """
    textures, weights = [], []
    for frame, hidden in zip(frames, covered, strict=True):
        rest = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
        rest -= cv2.cvtColor(plate, cv2.COLOR_RGB2GRAY)
        weights.append((~hidden).astype(np.float32))
        textures.append(np.clip(rest, -40, 40) * weights[-1])
    steps, likenesses = [np.zeros(2)], []
    for index in range(1, len(frames)):
        pair = (textures[index - 1], textures[index], weights[index - 1] * weights[index])
        guesses = [part[index] - part[index - 1], steps[-1]]
        guesses.append(np.array(cv2.phaseCorrelate(pair[0], pair[1])[0]))
        likeness, step = max(
            ((_likeness(*pair, guess), guess) for guess in guesses), key=lambda found: found[0]
        )
        step = _refined(*pair, step)
        likenesses.append(max(likeness, _likeness(*pair, step)))
        steps.append(step)
    sizes = np.linalg.norm(steps[1:], axis=-1)
    uneven = float(np.std(steps[1:], axis=0).max()) if len(steps) > 1 else 0.0
    if not likenesses or np.median(likenesses) < LEAST_LIKENESS or np.median(sizes) < LEAST_STEP:
        return None
    if uneven > MOST_UNEVEN * np.median(sizes):  # a belt runs; a hand or a reflection does not
        return None
    return np.cumsum(steps, axis=0)


def _likeness(before: Floats, after: Floats, weight: Floats, step: NDArray[np.float64]) -> float:
    """Correlation of a texture with the next one under a shift."""
    height, width = before.shape
    there = np.array([[1, 0, step[0]], [0, 1, step[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    back = cv2.warpAffine(after, there, (width, height), flags=flags)
    sure = cv2.warpAffine(weight, there, (width, height), flags=flags) * weight > 0.99
    if sure.sum() < 100:
        return -1.0
    here, there_values = before[sure], back[sure]
    product = float((here * there_values).mean())
    return product / (float(np.sqrt((here**2).mean() * (there_values**2).mean())) + 1e-3)


def _refined(
    before: Floats, after: Floats, weight: Floats, step: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Improve a shift to a fraction of a pixel; the same where that fails."""
    warp = np.array([[1, 0, step[0]], [0, 1, step[1]]], np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-3)
    try:
        _, warp = cv2.findTransformECC(
            before, after, warp, cv2.MOTION_TRANSLATION, stop, (weight > 0).astype(np.uint8), 3
        )
    except cv2.error:  # it does not converge on a flat picture
        return step
    better = warp[:, 2].astype(np.float64)
    return better if np.linalg.norm(better - step) < 2 else step
