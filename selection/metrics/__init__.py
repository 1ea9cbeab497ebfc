"""Metrics of sampled futures: one file each; those that score every sample are found by name."""

from flawcast.selection.metrics.apd import (
    average_pairwise_displacement,
    pairwise_displacements,
    sample_diversity,
)
from flawcast.selection.metrics.base import METRICS, Metric
from flawcast.selection.metrics.coherence import sample_coherence, temporal_coherence
from flawcast.selection.metrics.jedi import (
    FeatureDistance,
    feature_distance,
    jedi,
    polynomial_mmd,
)
from flawcast.selection.metrics.mae import mae
from flawcast.selection.metrics.ratio import (
    RatioBounds,
    StandardisedRatio,
    ratio_bounds,
    standardised_ratio,
)
from flawcast.selection.metrics.ssim import ssim

__all__ = [
    "METRICS",
    "FeatureDistance",
    "Metric",
    "RatioBounds",
    "StandardisedRatio",
    "average_pairwise_displacement",
    "feature_distance",
    "jedi",
    "mae",
    "pairwise_displacements",
    "polynomial_mmd",
    "ratio_bounds",
    "sample_coherence",
    "sample_diversity",
    "ssim",
    "standardised_ratio",
    "temporal_coherence",
]
