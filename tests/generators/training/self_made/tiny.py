"""A detector and parts so small that a step takes milliseconds."""

import numpy as np

from flawcast.configs.adapt_settings import AdaptLosses, AdaptTraining
from flawcast.generators.backbones.fomm import KPDetectorParams
from flawcast.generators.backbones.layers.detector import DetectorConfig, PartDetector
from flawcast.generators.training.self_made.learners import DetectorLearner
from flawcast.generators.training.self_made.objects import ClipObjects, ClipStock, PartPicture
from tests.generators.backbones.layers.drawn_clips import textured

SIDE = 48
NETWORK = KPDetectorParams(block_expansion=4, max_features=8, num_blocks=2, scale_factor=0.25)
CONFIG = DetectorConfig(canvas=64, frame=SIDE, keypoints=10, network=NETWORK)
FEW = AdaptTraining(steps=4, batch=2, held_out=4, checkpoint_every=2)


def stock() -> ClipStock:
    """One opaque square part on a gray plate."""
    part = np.dstack([textured((16, 16), 1, 120, 250), np.full((16, 16), 255, np.uint8)])
    plate = np.full((SIDE, SIDE, 3), 90, np.uint8)
    return ClipStock([ClipObjects((PartPicture(part),), plate, (plate,), 1.0)])


def learner() -> DetectorLearner:
    """A detector with weights that no training has touched."""
    return DetectorLearner(PartDetector(CONFIG), AdaptLosses())
