"""Which item comes next: seeded orders by class, diversity or source, that can be resumed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import ConcatDataset, Dataset, Sampler

from flawcast.configs.errors import SettingsError

WEIGHTS = ("class", "diversity")


class Labelled(Protocol):
    """A dataset that knows each item's label and row without reading it."""

    @property
    def labels(self) -> list[str]:
        """Each item's label."""

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Group:
    """Items that are drawn together.

    Args:
        indices: Of the dataset.
        count: How many are drawn in an epoch.
        weights: Chances of each, drawn with replacement; None to go through all in a random order,
            again and again, so that none comes a second time before all others came once.
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
    """An order that seed and epoch alone decide; it can begin anywhere in an epoch.

    Args:
        groups: What is drawn together.
        seed: Decides all epochs.
    """

    def __init__(self, groups: Sequence[Group], seed: int = 0) -> None:
        self.groups, self.seed = tuple(groups), seed
        self.epoch, self.position = 0, 0

    def __len__(self) -> int:
        return sum(group.count for group in self.groups) - self.position

    def __iter__(self) -> Iterator[int]:
        return iter(self.order()[self.position :].tolist())

    def order(self) -> NDArray[np.int64]:
        """All items of the present epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        drawn = np.concatenate([group.draw(rng) for group in self.groups])
        return rng.permutation(drawn) if len(self.groups) > 1 else drawn


class MixedDataset(ConcatDataset[dict[str, Any]]):
    """Synthetic samples and real clips, of which every epoch shows a stated share of each.

    Args:
        synthetic: For instance a `SampleSetDataset`.
        real: Items with the same fields, for instance `generators.clips.dataset.ClipDataset`.
        synthetic_share: Of an epoch's items, the share that is synthetic, in (0, 1).
        count: Items of an epoch; None for as many as show every real clip once.

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
        made = self.cumulative_sizes[0]
        found = self.cumulative_sizes[1] - made
        if not 0 < synthetic_share < 1 or not made or not found:
            raise SettingsError(
                "mix: expected a synthetic share between 0 and 1 and items of both kinds, got "
                f"{synthetic_share}, {made} synthetic and {found} real; mend what is out of range"
            )
        total = count or max(2, round(found / (1 - synthetic_share)))
        drawn = min(max(1, round(total * synthetic_share)), total - 1)
        self.counts = (drawn, total - drawn)

    @property
    def labels(self) -> list[str]:
        """Each item's label."""
        return [label for part in self.datasets for label in part.labels]  # type: ignore[attr-defined]

    def groups(self) -> tuple[Group, Group]:
        """The two kinds, each drawn as often as the share asks."""
        made = self.cumulative_sizes[0]
        indices = np.arange(self.cumulative_sizes[1])
        return Group(indices[:made], self.counts[0]), Group(indices[made:], self.counts[1])


def sampler_for(
    dataset: Any, weights: str | None = None, seed: int = 0, count: int | None = None
) -> SeededSampler:
    """The sampler of a dataset.

    Args:
        dataset: A `SampleSetDataset`, `MixedDataset` or another one with `labels`.
        weights: "class" draws all labels equally often, "diversity" draws a sample in proportion to
            its distance from its set's others; None draws each item once. In a mixed dataset the
            weights hold within each kind and the stated share stays what it is.
        seed: Decides the order.
        count: Items of an epoch; None for as many as there are. A mixed dataset has its own count.

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
    """Chances of all items; where a kind of items has no diversity, all are equal."""
    parts: list[Any] = dataset.datasets if isinstance(dataset, MixedDataset) else [dataset]
    weigh = _by_class if weights == "class" else _by_diversity
    return np.concatenate([np.asarray(weigh(part), np.float64) for part in parts])


def _by_class(part: Any) -> list[float]:
    """The rarer an item's label, the likelier it is."""
    counts = Counter(part.labels)
    return [1 / counts[label] for label in part.labels]


def _by_diversity(part: Any) -> list[float]:
    """The farther a sample is from its set's others, the likelier it is."""
    return [row["diversity"] for row in part.rows] if hasattr(part, "rows") else [1.0] * len(part)


def _positive(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights, or equal ones where all are 0: samples that do not differ."""
    return weights if weights.sum() > 0 else np.ones_like(weights)
