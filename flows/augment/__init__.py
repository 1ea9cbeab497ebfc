"""Samples that serve a detector: balanced, transferred, of real and sampled motion."""

from flawcast.flows.augment.request import AugmentRequest
from flawcast.flows.augment.run import Augmented, augment

__all__ = ["AugmentRequest", "Augmented", "augment"]
