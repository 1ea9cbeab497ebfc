"""The background as the latest frame shows it: light drifts, and things are put down."""

import numpy as np

from flawcast.generators.backbones.layers.background import covered_areas, enlarged
from flawcast.generators.backbones.layers.inpainting import spread
from flawcast.generators.backbones.layers.mattes import grown
from flawcast.generators.backbones.layers.observation import Image, Observation, background_at
from flawcast.generators.backbones.layers.vision import cv2

REACH = 0.03  # of the short side: how far a change of light spreads
FEATHER = 2.0  # pixels around a part in which what was put down fades out
SIGNIFICANT = 3.0  # standard deviations of the noise: a smaller change is noise


def latest_plate(seen: Observation, frame: Image) -> Image:
    """The plate, brought up to the last observed frame wherever no part covers it there.

    Smooth changes are taken as light, also on a moving belt. Other changes are taken where they
    exceed the noise, so that no noise of that frame stays in all drawn ones.

    Args:
        seen: What the observed frames show.
        frame: The last of them, RGB, (H, W, 3).

    Returns:
        RGB, (H, W, 3).
    """
    last = len(seen.keypoints) - 1
    hidden = enlarged(covered_areas(seen.moving, seen.tracks)[last:], frame.shape[:2])[0]
    free = (~hidden).astype(np.float32)
    change = (frame.astype(np.float32) - background_at(seen, last)) * free[..., None]
    light = spread(change, free, REACH * min(frame.shape[:2]))
    plate = seen.plate.image + light
    still = 1 - cv2.GaussianBlur(grown(hidden, 3).astype(np.float32), (0, 0), FEATHER)
    if seen.belt is not None:
        still *= ~seen.belt.region
    rest = cv2.blur(change - light * free[..., None], (3, 3))
    bound = SIGNIFICANT / 3 * float(seen.noise.sigma.max())  # a mean of 9 pixels has a third of it
    rest = np.sign(rest) * np.maximum(np.abs(rest) - bound, 0)
    return np.clip(plate + rest * still[..., None], 0, 255).round().astype(np.uint8)
