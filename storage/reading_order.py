"""Which items a loader's worker will be asked for next."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import get_worker_info

from flawcast.storage.sampling import SeededSampler

AHEAD = 2  # batches that a worker fetches before it is asked for them


class ReadingOrder:
    """The batches of an epoch in order, of which a worker gets every n-th.

    A worker that lives for several epochs finds the next epoch's order by itself.

    Args:
        sampler: Decides the order; its position says where the epoch begins.
        batch_size: Items per batch.
        workers: Number of workers.
    """

    def __init__(self, sampler: SeededSampler, batch_size: int, workers: int) -> None:
        self.batch_size, self.workers = batch_size, max(1, workers)
        self._sampler = SeededSampler(sampler.groups, sampler.seed)
        self._sampler.epoch = sampler.epoch
        self._start, self._next, self._first = sampler.position, -1, 0
        self._order: NDArray[np.int64] = np.zeros(0, np.int64)

    def after(self, indices: Sequence[int]) -> list[int]:
        """Items of the worker's batches after one; none if the batches come in another order."""
        if self._next < 0:
            info = get_worker_info()
            self._next = self._first = info.id if info is not None else 0
        for _ in range(2):
            if not len(self._order):
                self._order = self._sampler.order()[self._start :]
            if self._batch(self._next) == list(indices):
                self._next += self.workers
                coming = (self._batch(self._next + self.workers * step) for step in range(AHEAD))
                return [index for batch in coming for index in batch]
            self._sampler.epoch += 1
            self._order, self._start, self._next = self._order[:0], 0, self._first
        self._next = len(self._sampler)  # no batch: another order
        return []

    def _batch(self, number: int) -> list[int]:
        """Items of a batch; none after the last one."""
        start = number * self.batch_size
        batch: list[int] = self._order[start : start + self.batch_size].tolist()
        return batch
