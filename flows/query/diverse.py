"""The most diverse samples of a store under an error bound: `flawcast query --diverse`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flawcast.configs.errors import StoreError
from flawcast.flows.pictures.thumbnails import shrink_frames
from flawcast.selection.diverse import most_diverse
from flawcast.selection.metrics.apd import pairwise_displacements
from flawcast.storage import SampleStore

SIZE = 32  # distances are taken between frames shrunk to this: motion counts, sensor noise does not


@dataclass(frozen=True)
class Diverse:
    """Samples chosen to be far from one another.

    Args:
        rows: One row per sample, lowest MAE first, with columns as in `SampleStore.query`.
        apd: Their mean mutual distance on the [0, 1] pixel scale, of frames as `SIZE` says.
        smallest: Their smallest mutual distance; at least half of the largest possible one.
        candidates: How many samples there were to choose from.
    """

    rows: pa.Table
    apd: float
    smallest: float
    candidates: int


def diverse(
    store: SampleStore,
    k: int,
    max_mae: float | None = None,
    where: str | None = None,
    on_sample: Callable[[int, int], None] = lambda done, total: None,
) -> Diverse:
    """Choose the k most diverse samples of a store among those with a small error.

    Args:
        store: The store, or a snapshot of it.
        k: The number of samples to choose.
        max_mae: Largest error; None for any.
        where: SQL condition over the columns of samples.
        on_sample: Called with the number of samples read and of all to read.

    Raises:
        QueryError: If the condition is not valid.
        SettingsError: If fewer than k samples are left.
        StoreError: If samples differ in length, or one is damaged.
    """
    table = store.query(where, rows="samples")
    if max_mae is not None:
        table = table.filter(pc.field("mae") <= max_mae)
    rows = table.to_pylist()
    lengths = {row["future"] for row in rows}
    if len(lengths) > 1:
        raise StoreError(
            f"diverse: expected videos of one length, got {sorted(lengths)}; "
            'name one with --where "future = ..."'
        )
    videos = []
    for done, row in enumerate(rows, start=1):
        videos.append(_small(store, row["set_id"], row["rank"]))
        on_sample(done, len(rows))
    sizes = {video.shape[1:3] for video in videos}
    if len(sizes) > 1:
        raise StoreError(
            "diverse: expected videos of one size, found some under and some of at least "
            f"{SIZE} pixels; name clips, runs or models with --where"
        )
    apart = pairwise_displacements(np.stack(videos)) if videos else np.zeros((0, 0))
    chosen = most_diverse(apart, np.array([row["mae"] for row in rows]), k)
    between = apart[np.ix_(chosen, chosen)][np.triu_indices(k, 1)]
    return Diverse(
        rows=table.take(pa.array(chosen)),
        apd=float(between.mean()) if k > 1 else 0.0,
        smallest=float(between.min()) if k > 1 else 0.0,
        candidates=len(rows),
    )


def _small(store: SampleStore, set_id: str, rank: int) -> NDArray[np.uint8]:
    """A kept video with small frames."""
    video = np.asarray(store.open_array(set_id, "videos")[rank], np.uint8)
    return shrunk(video)


def shrunk(video: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames (F, H, W, 3) at most `SIZE` high and wide, averaged."""
    return shrink_frames(video, min(SIZE, video.shape[2]), min(SIZE, video.shape[1]))
