"""JEDi: the polynomial-kernel distance between the features of two sets of videos."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import SettingsError, ShapeError
from flawcast.configs.feature_names import JEDI_FEATURES
from flawcast.configs.shapes import expect_shape

SCALE = 100.0


@dataclass(frozen=True)
class FeatureDistance:
    """A distance between two sets of videos, with its name and the sizes of the sets.

    Args:
        name: "JEDi", or "MMD on" and the features if they are not JEDi's.
        value: The distance; 0 for equal sets. It is biased upwards, and more so for fewer videos:
            two sets of 44 from one normal distribution give 4.6, two sets of 1000 give 0.2.
        count: n, the number of videos in the first set.
        other_count: Number of videos in the second set.
    """

    name: str
    value: float
    count: int
    other_count: int

    def __str__(self) -> str:
        """The figure as a table shows it."""
        return f"{self.name} {self.value:.3f} (n = {self.count}, {self.other_count})"


def jedi(features: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """100 times the squared MMD of two sets of V-JEPA features, as published.

    It is JEDi only on the features of the published encoder and probe. For other features use
    `feature_distance`, which names them. The estimate is biased upwards, and more so for fewer
    videos: report n with it.

    Args:
        features: One row per generated video, (n, C).
        reference: One row per real video, (m, C).

    Raises:
        ShapeError: If a set is empty or the lengths of the features differ.

    Reference:
        Luo et al., 2024, "Beyond FVD: enhanced evaluation metrics for video generation quality",
        https://arxiv.org/abs/2410.05203

    Example:
        >>> features = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> jedi(features, features)
        0.0
    """
    return SCALE * polynomial_mmd(features, reference)


def feature_distance(
    features: NDArray[np.floating], reference: NDArray[np.floating], described_as: str
) -> FeatureDistance:
    """The same distance with its name and the sizes of the sets.

    Args:
        features: One row per generated video, (n, C).
        reference: One row per real video, (m, C).
        described_as: Name of the features; `JEDI_FEATURES` makes the figure JEDi.

    Raises:
        ShapeError: If a set is empty or the lengths of the features differ.

    Example:
        >>> features = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> print(feature_distance(features, features, "frame means"))
        MMD on frame means 0.000 (n = 2, 2)
    """
    name = "JEDi" if described_as == JEDI_FEATURES else f"MMD on {described_as}"
    return FeatureDistance(name, jedi(features, reference), len(features), len(reference))


def polynomial_mmd(
    features: NDArray[np.floating],
    reference: NDArray[np.floating],
    *,
    degree: int = 2,
    constant: float = 0.0,
) -> float:
    """Squared maximum mean discrepancy under the kernel (a.b / C + constant)^degree.

    The estimate is the biased one: all pairs count, including each sample with itself.

    Args:
        features: (n, C).
        reference: (m, C).
        degree: Degree of the polynomial, at least 1.
        constant: Added to the mean product.

    Raises:
        ShapeError: If a set is empty or the lengths of the features differ.
        SettingsError: If the degree is below 1.
    """
    if degree < 1:
        raise SettingsError(f"degree: expected at least 1, got {degree}; JEDi takes 2")
    sizes = expect_shape("features", features, "N C")
    expect_shape("reference", reference, f"M {sizes['C']}")
    if not len(features) or not len(reference):
        raise ShapeError("features: expected at least one video on both sides, got none")
    one, other = np.asarray(features, np.float64), np.asarray(reference, np.float64)

    def mean_kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        """Mean of the kernel over all pairs."""
        return float(((a @ b.T / a.shape[1] + constant) ** degree).mean())

    return mean_kernel(one, one) + mean_kernel(other, other) - 2 * mean_kernel(one, other)
