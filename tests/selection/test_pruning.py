"""Pruned selection keeps exactly what drawing everything would keep."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from flawcast.configs.errors import SettingsError, ShapeError
from flawcast.selection.metrics import mae
from flawcast.selection.pruning import Draw, keep_closest, rank_by_bounds
from flawcast.selection.selectors import Candidates, lowest_mae


def draw_from(videos: NDArray[np.uint8], seen: list[tuple[int, int]] | None = None) -> Draw:
    """Give frames of videos that exist already, and note which were asked for."""

    def draw(pairs: Sequence[tuple[int, int]]) -> NDArray[np.uint8]:
        if seen is not None:
            seen.extend(pairs)
        return np.stack([videos[future, frame] for future, frame in pairs])

    return draw


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_kept_futures_are_those_of_drawing_everything(data: st.DataObject) -> None:
    """Order, ties, errors and videos, whatever the guess and the batch; few levels make ties."""
    samples, frames = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 5))
    shape = (frames, 4, 2, 3)
    level = st.integers(0, data.draw(st.sampled_from([1, 3, 255])))
    coarse = data.draw(arrays(np.uint8, (samples, frames), elements=level))
    videos = np.broadcast_to(coarse[:, :, None, None, None], (samples, *shape)).copy()
    videos[..., 0, 0, 0] = data.draw(arrays(np.uint8, (samples, frames), elements=level))
    reference = data.draw(arrays(np.uint8, shape, elements=level))
    guess = data.draw(arrays(np.float64, samples, elements=st.floats(0, 1)))
    keep, batch = data.draw(st.integers(1, samples)), data.draw(st.integers(1, 6))
    errors = mae(videos, reference)
    wanted = lowest_mae(Candidates(videos, errors), keep)

    seen: list[tuple[int, int]] = []
    found = keep_closest(draw_from(videos, seen), reference, guess, keep, batch)

    assert found.indices.tolist() == wanted.tolist()
    assert np.array_equal(found.videos, videos[wanted])
    assert np.array_equal(found.mae[wanted], errors[wanted])
    lost = np.setdiff1d(np.arange(samples), wanted)
    assert (found.mae[lost] <= errors[lost]).all()
    assert (found.mae[lost] >= errors[wanted].max()).all()
    assert len(seen) == len(set(seen)) == found.drawn


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_bounds_keep_the_same_futures(data: st.DataObject) -> None:
    """Whatever part of each error is known at once, none of it or all, and whatever the guess."""
    samples, frames = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 5))
    level = st.integers(0, data.draw(st.sampled_from([1, 3, 255])))
    errors = data.draw(arrays(np.int64, (samples, frames), elements=level))
    least = np.minimum(errors, data.draw(arrays(np.int64, (samples, frames), elements=level)))
    guess = data.draw(arrays(np.float64, samples, elements=st.floats(0, 1)))
    keep = data.draw(st.integers(1, samples))
    seen: list[tuple[int, int]] = []
    dropped: list[int] = []

    def error(future: int, time: int) -> float:
        seen.append((future, time))
        return float(errors[future, time])

    found = rank_by_bounds(
        error, least.astype(float), guess, keep, frames, on_dropped=dropped.append
    )
    wanted = np.argsort(errors.sum(1), kind="stable")[:keep]
    assert found.indices.tolist() == wanted.tolist()
    assert np.array_equal(found.mae[wanted], errors.sum(1)[wanted] / (frames * 255))
    lost = np.setdiff1d(np.arange(samples), wanted)
    assert (found.mae[lost] <= errors.sum(1)[lost] / (frames * 255)).all()
    assert (found.mae[lost] >= found.mae[wanted].max()).all()
    assert len(seen) == len(set(seen)) == found.drawn
    assert sorted(dropped) == lost.tolist()


def test_far_futures_stop_early() -> None:
    """With a right guess, losers are drawn until their error exceeds the worst that is kept."""
    levels = np.arange(1, 11, dtype=np.uint8) * 20
    videos = np.broadcast_to(levels[:, None, None, None, None], (10, 10, 4, 4, 3)).copy()
    reference = np.zeros((10, 4, 4, 3), np.uint8)
    found = keep_closest(draw_from(videos), reference, levels.astype(float), keep=2)
    assert found.indices.tolist() == [0, 1]
    # The worst kept sums to 10 frames of 40; a later future that only reaches it loses, too.
    assert found.drawn == 20 + sum(-(-400 // int(v)) for v in levels[2:])


def test_progress_counts_futures_that_are_complete_or_ruled_out() -> None:
    done: list[int] = []
    videos = np.random.default_rng(0).integers(0, 256, (40, 3, 4, 4, 3), np.uint8)
    keep_closest(draw_from(videos), videos[0], np.zeros(40), 4, 3, done.append)
    assert done == sorted(done)
    assert done[-1] == 40


def test_wrong_requests_are_refused() -> None:
    videos = np.zeros((3, 2, 4, 4, 3), np.uint8)
    with pytest.raises(SettingsError, match="keep: expected at most samples = 3, got 4"):
        keep_closest(draw_from(videos), videos[0], np.zeros(3), 4)
    with pytest.raises(ShapeError, match="frames: expected uint8"):
        keep_closest(lambda pairs: videos[0], videos[0], np.zeros(3), 1)
