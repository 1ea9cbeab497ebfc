"""Batches in a seeded order that a later process can continue."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from flawcast.configs.errors import SettingsError
from flawcast.storage.reading_order import ReadingOrder
from flawcast.storage.sampling import sampler_for


class SampleLoader(DataLoader[dict[str, Any]]):
    """A `torch.utils.data.DataLoader` with a seeded order and a position that can be saved.

    Samples of a bucket are fetched many at a time, and ahead in this order.

    Workers read ahead, so the position counts the batches that were handed out: the `state_dict`
    after batch 7 leads to batch 8, whatever the workers had read. Every pass over the loader is an
    epoch with an order of its own.

    Args:
        dataset: A `SampleSetDataset`, `MixedDataset` or another one with `labels`.
        batch_size: Items per batch.
        weights: "class", "diversity" or None; see `flawcast.storage.sampling.sampler_for`.
        seed: Decides the order.
        count: Items per epoch; None for as many as the dataset has.
        options: Options of `DataLoader`, for instance num_workers and pin_memory.

    Raises:
        SettingsError: If the dataset is empty, there is no such weight, or videos of several sizes
            would meet in a batch.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 8,
        *,
        weights: str | None = None,
        seed: int = 0,
        count: int | None = None,
        **options: Any,
    ) -> None:
        if batch_size > 1 and not options.get("collate_fn"):
            _expect_one_size(dataset)
        self.order = sampler_for(dataset, weights, seed, count)
        self._batches = 0
        if options.get("num_workers") and "multiprocessing_context" not in options:
            # Threads of this process (Ray's, DuckDB's) do not survive a fork.
            options["multiprocessing_context"] = "forkserver"
        options.setdefault("generator", torch.Generator().manual_seed(seed))
        super().__init__(dataset, batch_size, sampler=self.order, **options)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        self._batches = 0
        if hasattr(self.dataset, "expect"):
            self.dataset.expect(ReadingOrder(self.order, self.batch_size or 1, self.num_workers))
        for batch in super().__iter__():
            self._batches += 1
            yield batch
        self.order.epoch, self.order.position, self._batches = self.order.epoch + 1, 0, 0

    def state_dict(self) -> dict[str, int]:
        """The position: seed, epoch, and items handed out in the epoch."""
        items = self.order.position + self._batches * (self.batch_size or 1)
        return {"seed": self.order.seed, "epoch": self.order.epoch, "items": items}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue from a saved position; the next pass is the rest of its epoch.

        Raises:
            SettingsError: If the state has another seed, which means another order.
        """
        if state["seed"] != self.order.seed:
            raise SettingsError(
                f"loader: expected a state of seed {self.order.seed}, got one of {state['seed']}; "
                "make the loader with that seed"
            )
        self.order.epoch, self.order.position = state["epoch"], state["items"]
        if self.order.position >= len(self.order.order()):  # saved after the last batch
            self.order.epoch, self.order.position = state["epoch"] + 1, 0
        self._batches = 0


def _expect_one_size(dataset: Any) -> None:
    """Refuse videos of several sizes, which no batch can hold.

    Raises:
        SettingsError: If there are several.
    """
    parts = getattr(dataset, "datasets", [dataset])
    sizes = sorted(set().union(*(getattr(part, "sizes", set()) for part in parts)))
    if len(sizes) > 1:
        some = ", ".join(f"{frames} of {width}x{height}" for frames, height, width in sizes[:3])
        raise SettingsError(
            f"loader: expected videos of one size, got {len(sizes)} (frames: {some}); give the "
            "dataset a transform that makes one, or where='height = ... and width = ...'"
        )
