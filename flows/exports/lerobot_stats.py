"""Statistics of LeRobot's features, of each episode and of all."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMES = ("min", "max", "mean", "std")


@dataclass
class Stats:
    """Least, largest, mean and spread of each feature; those of pictures are on the [0, 1] scale.

    Args:
        parts: The same of each episode.
    """

    parts: dict[str, list[dict[str, NDArray[np.float64]]]] = field(default_factory=dict)

    def add(self, columns: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """Take an episode in.

        Args:
            columns: Values of each feature: (F, M), or pictures (F, H, W, 3).

        Returns:
            Its own statistics, as columns of the table of episodes.
        """
        found: dict[str, Any] = {}
        for name, values in columns.items():
            one = _of(values)
            self.parts.setdefault(name, []).append(one)
            found |= {f"stats/{name}/{key}": value.tolist() for key, value in one.items()}
        return found

    def whole(self) -> dict[str, dict[str, Any]]:
        """The statistics of all episodes together."""
        return {name: _joined(parts) for name, parts in self.parts.items()}


def _of(values: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """The statistics of one feature of an episode; those of pictures have the shape (3, 1, 1)."""
    is_picture = values.ndim == 4
    axes = (0, 1, 2) if is_picture else (0,)
    scale = 255.0 if is_picture else 1.0
    found = {
        name: np.asarray(getattr(values, name)(axis=axes), np.float64) / scale for name in NAMES
    }
    if is_picture:
        found = {name: value[:, None, None] for name, value in found.items()}
    return {**found, "count": np.array([len(values)])}


def _joined(parts: list[dict[str, NDArray[np.float64]]]) -> dict[str, Any]:
    """The statistics of several episodes, weighted by their lengths."""
    counts = np.array([part["count"][0] for part in parts], np.float64)
    stacked = {name: np.stack([part[name] for part in parts]) for name in NAMES}
    weights = (counts / counts.sum()).reshape(-1, *[1] * (stacked["mean"].ndim - 1))
    mean = (weights * stacked["mean"]).sum(axis=0)
    spread = (weights * (stacked["std"] ** 2 + (stacked["mean"] - mean) ** 2)).sum(axis=0)
    return {
        "min": stacked["min"].min(axis=0).tolist(),
        "max": stacked["max"].max(axis=0).tolist(),
        "mean": mean.tolist(),
        "std": np.sqrt(spread).tolist(),
        "count": [int(counts.sum())],
    }
