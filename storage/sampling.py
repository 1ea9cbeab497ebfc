"""Seeded orders of items, weighted by class or diversity, that can be resumed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import ConcatDataset, Dataset, Sampler

from flawcast.configs.errors import SettingsError
from flawcast.storage.sample_rows import SampleRows

WEIGHTS = ("class", "diversity")
PORTION = 65_536  # items of an order that are Python objects at once


@dataclass(frozen=True)
class Group:
    """Items of one kind, which are drawn by the same weights.

    Args:
        indices: Indices in the dataset.
        count: Number of items per epoch.
        weights: Weight of each item, to draw with replacement. None goes through all items in a
            random order, again and again: no item repeats before every other was used.
    """

    indices: NDArray[np.int64]
    count: int
    weights: NDArray[np.float64] | None = None

    def draw(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """The items of one epoch, in random order."""
        if self.weights is not None:
            return rng.choice(self.indices, self.count, p=self.weights / self.weights.sum())
        rounds = -(-self.count // max(1, len(self.indices)))
        orders = [rng.permutation(self.indices) for _ in range(rounds)]
        return np.concatenate([*orders, np.zeros(0, np.int64)])[: self.count].astype(np.int64)


class SeededSampler(Sampler[int]):
    """An order that depends only on seed and epoch; it can begin anywhere in an epoch.

    Args:
        groups: The kinds of items.
        seed: Decides all epochs.
    """

    def __init__(self, groups: Sequence[Group], seed: int = 0) -> None:
        self.groups, self.seed = tuple(groups), seed
        self.epoch, self.position = 0, 0

    def __len__(self) -> int:
        return sum(group.count for group in self.groups) - self.position

    def __iter__(self) -> Iterator[int]:
        order = self.order()
        for start in range(self.position, len(order), PORTION):
            yield from order[start : start + PORTION].tolist()

    def order(self) -> NDArray[np.int64]:
        """All items of the present epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        indices = np.concatenate([group.draw(rng) for group in self.groups])
        return rng.permutation(indices) if len(self.groups) > 1 else indices


class MixedDataset(ConcatDataset[dict[str, Any]]):
    """Synthetic samples and real clips; every epoch has a given share of each.

    Args:
        synthetic: Synthetic items, for instance a `SampleSetDataset`.
        real: Items with the same fields, for instance `generators.clips.dataset.ClipDataset`.
        synthetic_share: Share of an epoch's items that is synthetic, in (0, 1).
        count: Items per epoch; None for enough to show every real clip once.

    Raises:
        SettingsError: If one of the two is empty or the share is not between 0 and 1.
    """

    def __init__(
        self,
        synthetic: Dataset[dict[str, Any]],
        real: Dataset[dict[str, Any]],
        synthetic_share: float = 0.5,
        count: int | None = None,
    ) -> None:
        super().__init__([synthetic, real])
        samples = self.cumulative_sizes[0]
        clips = self.cumulative_sizes[1] - samples
        if not 0 < synthetic_share < 1 or not samples or not clips:
            raise SettingsError(
                "mix: expected a synthetic share between 0 and 1 and items of both kinds, got "
                f"{synthetic_share}, {samples} synthetic and {clips} real; mend what is "
                "out of range"
            )
        total = count or max(2, round(clips / (1 - synthetic_share)))
        synthetic_count = min(max(1, round(total * synthetic_share)), total - 1)
        self.counts = (synthetic_count, total - synthetic_count)

    @property
    def labels(self) -> list[str]:
        """Each item's label."""
        return [label for part in self.datasets for label in part.labels]  # type: ignore[attr-defined]

    def groups(self) -> tuple[Group, Group]:
        """Synthetic and real items, with their numbers per epoch."""
        samples = self.cumulative_sizes[0]
        indices = np.arange(self.cumulative_sizes[1])
        return Group(indices[:samples], self.counts[0]), Group(indices[samples:], self.counts[1])


def sampler_for(
    dataset: Any, weights: str | None = None, seed: int = 0, count: int | None = None
) -> SeededSampler:
    """Make the sampler of a dataset.

    Args:
        dataset: A `SampleSetDataset`, `MixedDataset` or another one with `labels`.
        weights: "class" draws all labels equally often. "diversity" draws a sample in proportion to
            its distance from the others of its set. None draws each item once. In a mixed dataset
            the weights hold within each kind, and the share of synthetic items does not change.
        seed: Decides the order.
        count: Items per epoch; None for as many as the dataset has. A mixed dataset has its own
            count.

    Raises:
        SettingsError: If there is no such weight, or the dataset has nothing to weigh.
    """
    if weights not in (None, *WEIGHTS):
        raise SettingsError(f"weights: expected one of {WEIGHTS} or None, got {weights!r}")
    whole = (Group(np.arange(len(dataset)), len(dataset) if count is None else count),)
    groups = dataset.groups() if isinstance(dataset, MixedDataset) else whole
    if not len(dataset):
        raise SettingsError("sampler: expected a dataset with items, got an empty one")
    if weights is None:
        return SeededSampler(groups, seed)
    chances = _weights(dataset, weights)
    weighted = [
        Group(part.indices, part.count, _positive(chances[part.indices])) for part in groups
    ]
    return SeededSampler(weighted, seed)


def _weights(dataset: Any, weights: str) -> NDArray[np.float64]:
    """Weights of all items; equal ones for a kind of items without diversity."""
    parts: list[Any] = dataset.datasets if isinstance(dataset, MixedDataset) else [dataset]
    weigh = _by_class if weights == "class" else _by_diversity
    return np.concatenate([np.asarray(weigh(part), np.float64) for part in parts])


def _by_class(part: Any) -> list[float]:
    """Weights that draw rare labels as often as frequent ones."""
    labels = part.labels
    weights = {label: 1 / count for label, count in Counter(labels).items()}
    return [weights[label] for label in labels]


def _by_diversity(part: Any) -> "list[float] | NDArray[np.float64]":
    """Weights that grow with a sample's distance from the others of its set."""
    if isinstance(getattr(part, "rows", None), SampleRows):
        return part.rows.numbers("diversity")
    return [row["diversity"] for row in part.rows] if hasattr(part, "rows") else [1.0] * len(part)


def _positive(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights, or equal ones if all are 0 because samples do not differ."""
    return weights if weights.sum() > 0 else np.ones_like(weights)
