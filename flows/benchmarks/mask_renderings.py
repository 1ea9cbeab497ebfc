"""Masks of defects in sampled futures, against what the rendering itself does with the defect."""

from dataclasses import replace

import numpy as np

from flawcast.configs.mask_levels import DEFECT
from flawcast.storage import Layers
from flawcast.storage.layered import CLEAN

COLOUR = (255, 0, 255)  # that no part has: what shows it shows the defect
PREFIX, HOLE, PIXELS, COVER = "defect_", "defect_hole", "defect_pixels", "defect_cover"


def rendered_agreements(layers: Layers) -> list[float]:
    """Intersection over union of the masks with the pixels that a defect changes, by frame.

    The defect is drawn in one strong colour, and compared with the rendering without it: a pixel
    that has at least half of the colour is changed by it.

    Args:
        layers: What a set's videos with a defect are drawn from.
    """
    seeds = np.full_like(layers.seeds, CLEAN)
    cover = layers.source[COVER]
    pixels = cover[..., None] * np.array([*(value // 255 for value in COLOUR), 1], np.uint8)
    rest = {name: one for name, one in layers.source.items() if name != HOLE}
    clean = {name: one for name, one in rest.items() if not name.startswith(PREFIX)}
    plain = replace(layers, source=clean, seeds=seeds, known_sha256="")
    coloured = replace(layers, source={**rest, PIXELS: pixels}, seeds=seeds, known_sha256="")
    agreements = []
    for rank in range(layers.shape[0]):
        frames = range(layers.shape[1])
        before = plain.draw("videos", rank, frames).astype(np.float32)
        after = coloured.draw("videos", rank, frames)
        most = np.abs(np.array(COLOUR) - before).sum(-1)
        changed = np.abs(after - before).sum(-1) > most / 2
        masks = coloured.draw("masks", rank, frames) == DEFECT
        for mask, change in zip(masks, changed, strict=True):
            if mask.any():
                agreements.append(float((mask & change).sum() / (mask | change).sum()))
    return agreements
