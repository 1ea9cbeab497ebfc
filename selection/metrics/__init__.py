"""Metrics of sampled futures: one file each; those that score every sample are found by name."""

from selection.metrics.apd import (
    average_pairwise_displacement,
    pairwise_displacements,
    sample_diversity,
)
from selection.metrics.base import METRICS, Metric
from selection.metrics.coherence import sample_coherence, temporal_coherence
from selection.metrics.jedi import (
    FeatureDistance,
    feature_distance,
    jedi,
    polynomial_mmd,
)
from selection.metrics.mae import mae
from selection.metrics.ratio import (
    RatioBounds,
    StandardisedRatio,
    ratio_bounds,
    standardised_ratio,
)
from selection.metrics.ssim import ssim

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
