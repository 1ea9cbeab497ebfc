"""Metrics against slow loops from their formulas, hand-worked cases, and their properties."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from flawcast.configs.errors import ShapeError
from flawcast.selection.metrics import (
    METRICS,
    average_pairwise_displacement,
    mae,
    pairwise_displacements,
    sample_coherence,
    sample_diversity,
    ssim,
    temporal_coherence,
)

Videos = NDArray[np.uint8]
BLACK = np.zeros((2, 8, 8, 3), np.uint8)
WHITE = np.full((2, 8, 8, 3), 255, np.uint8)

small_sets = arrays(np.uint8, (3, 2, 7, 8, 3), elements=st.integers(0, 255))
small_videos = arrays(np.uint8, (2, 7, 8, 3), elements=st.integers(0, 255))


def noisy_set(samples: int = 4) -> tuple[Videos, Videos]:
    """Unrelated random futures and a reference, 16x12."""
    rng = np.random.default_rng(0)
    videos = rng.integers(0, 256, (samples + 1, 3, 12, 16, 3), dtype=np.uint8)
    return videos[1:], videos[0]


def smooth_set(samples: int = 4) -> tuple[Videos, Videos]:
    """Slow gradients that differ a little: the hard case for a variance by subtraction."""
    rng = np.random.default_rng(1)
    row, column = np.mgrid[:24, :20]
    base = 100 + 2.0 * row + 3.0 * column
    shifts = np.arange(3)[:, None, None, None]
    videos = [
        np.clip(base[None, :, :, None] + shifts * sample + rng.normal(0, 1, (3, 24, 20, 3)), 0, 255)
        for sample in range(samples + 1)
    ]
    stacked = np.stack(videos).astype(np.uint8)
    return stacked[1:], stacked[0]


def slow_displacement(one: Videos, other: Videos) -> float:
    """Mean absolute difference on the [0, 1] scale, value by value."""
    pairs = zip(one.ravel().tolist(), other.ravel().tolist(), strict=True)
    return sum(abs(a - b) for a, b in pairs) / one.size / 255


def test_mae_agrees_with_a_slow_loop() -> None:
    videos, reference = noisy_set()
    slow = [slow_displacement(video, reference) for video in videos]
    np.testing.assert_allclose(mae(videos, reference), slow, rtol=1e-12)


def test_displacements_agree_with_a_slow_loop() -> None:
    videos, _ = noisy_set()
    count = len(videos)
    slow = np.array([[slow_displacement(a, b) for b in videos] for a in videos])
    pairs = [slow[i, j] for i in range(count) for j in range(i + 1, count)]
    others = [[slow[i, j] for j in range(count) if j != i] for i in range(count)]
    np.testing.assert_allclose(pairwise_displacements(videos), slow, rtol=1e-12)
    np.testing.assert_allclose(sample_diversity(videos), np.mean(others, axis=1), rtol=1e-12)
    assert average_pairwise_displacement(videos) == pytest.approx(np.mean(pairs), rel=1e-12)


def test_self_pairs_give_the_published_scale() -> None:
    videos, _ = noisy_set()
    slow = [slow_displacement(one, other) for one in videos for other in videos]
    published = average_pairwise_displacement(videos, self_pairs=True)
    assert published == pytest.approx(np.mean(slow), rel=1e-12)
    assert published == pytest.approx(average_pairwise_displacement(videos) * 3 / 4, rel=1e-12)


def test_coherence_agrees_with_a_slow_loop() -> None:
    videos, reference = noisy_set()

    def movement(video: Videos) -> float:
        steps = [slow_displacement(video[t], video[t + 1]) for t in range(len(video) - 1)]
        return sum(steps) / len(steps)

    slow = np.mean([movement(video) for video in videos]) / movement(reference)
    assert temporal_coherence(videos, reference) == pytest.approx(slow, rel=1e-12)


@pytest.mark.parametrize("futures", [noisy_set, smooth_set], ids=["random", "smooth"])
def test_ssim_agrees_with_scikit_image(futures: Callable[[], tuple[Videos, Videos]]) -> None:
    videos, reference = futures()
    expected = [
        np.mean(
            [
                structural_similarity(a, b, data_range=255, channel_axis=-1)
                for a, b in zip(video, reference, strict=True)
            ]
        )
        for video in videos
    ]
    np.testing.assert_allclose(ssim(videos, reference), expected, atol=1e-6)


def test_identical_videos_have_no_error_and_no_diversity() -> None:
    videos, reference = np.stack([noisy_set()[1]] * 3), noisy_set()[1]
    assert mae(videos, reference).tolist() == [0, 0, 0]
    assert average_pairwise_displacement(videos) == 0
    assert ssim(videos, reference) == pytest.approx([1, 1, 1], abs=1e-12)
    assert temporal_coherence(videos, reference) == 1


def test_black_against_white_is_as_far_as_it_gets() -> None:
    videos = np.stack([BLACK, WHITE])
    assert mae(videos, WHITE).tolist() == [1, 0]
    assert average_pairwise_displacement(videos) == 1
    assert average_pairwise_displacement(videos, self_pairs=True) == 0.5
    expected = 0.01**2 / (1 + 0.01**2)  # only the brightness constant is left of eq. 13
    assert ssim(videos, WHITE) == pytest.approx([expected, 1], rel=1e-9)


def test_large_videos_do_not_overflow() -> None:
    black = np.zeros((1, 12, 1024, 1024, 3), np.uint8)  # 255 times its size is above 2**32
    assert mae(black, np.full_like(black[0], 255)).tolist() == [1.0]


def test_coherence_of_futures_that_stand_still_is_zero() -> None:
    moving = np.concatenate([BLACK[:1], WHITE[:1]])
    assert temporal_coherence(BLACK[None], moving) == 0


def test_coherence_is_undefined_where_the_reference_stands_still() -> None:
    moving = np.concatenate([BLACK[:1], WHITE[:1]])
    assert np.isnan(temporal_coherence(moving[None], WHITE))
    assert np.isnan(sample_coherence(np.stack([moving, WHITE]), WHITE)).all()


def test_metrics_of_strided_views_equal_those_of_copies() -> None:
    videos, reference = noisy_set()
    views, view = videos[::2, :, ::-1, :-1], reference[:, ::-1, :-1]
    for name in METRICS.names():
        copied = METRICS[name](views.copy(), view.copy())
        np.testing.assert_array_equal(METRICS[name](views, view), copied)


@pytest.mark.parametrize("name", METRICS.names())
def test_every_metric_gives_one_float_per_sample(name: str) -> None:
    videos, reference = noisy_set()
    videos.flags.writeable = reference.flags.writeable = False
    scores = METRICS[name](videos, reference)
    assert scores.shape == (4,)
    assert scores.dtype == np.float64


@pytest.mark.parametrize("name", METRICS.names())
def test_order_of_samples_does_not_matter(name: str) -> None:
    videos, reference = noisy_set()
    order = np.array([2, 0, 3, 1])
    scores = METRICS[name](videos, reference)
    np.testing.assert_allclose(METRICS[name](videos[order], reference), scores[order], rtol=1e-12)


@pytest.mark.parametrize("name", METRICS.names())
@pytest.mark.parametrize(
    "wrong",
    [
        lambda videos, reference: (videos[0], reference),
        lambda videos, reference: (videos[..., :1], reference),
        lambda videos, reference: (videos / 255, reference),
    ],
    ids=["one-video", "grey", "float"],
)
def test_every_metric_refuses_videos_of_another_kind(
    name: str, wrong: Callable[[Videos, Videos], tuple[Videos, Videos]]
) -> None:
    with pytest.raises(ShapeError, match=r"^videos: expected"):
        METRICS[name](*wrong(*noisy_set()))


@pytest.mark.parametrize("metric", [mae, ssim, sample_coherence])
def test_a_reference_of_another_length_is_refused(
    metric: Callable[[Videos, Videos], NDArray[np.float64]],
) -> None:
    videos, reference = noisy_set()
    with pytest.raises(ShapeError, match=r"^reference: expected axes \(3, 12, 16, 3\), got"):
        metric(videos, reference[:1])


def test_sets_too_small_for_a_metric_are_refused() -> None:
    videos, reference = noisy_set()
    with pytest.raises(ShapeError, match="N >= 2, got N = 1"):
        average_pairwise_displacement(videos[:1])
    with pytest.raises(ShapeError, match="F >= 2, got F = 1"):
        temporal_coherence(videos[:, :1], reference[:1])
    with pytest.raises(ShapeError, match="at least 7x7 pixels, got 6x16"):
        ssim(videos[:, :, :6], reference[:, :6])


@settings(max_examples=30, deadline=None)
@given(small_videos, small_videos)
def test_error_and_similarity_are_symmetric_and_in_range(one: Videos, other: Videos) -> None:
    assert mae(one[None], other) == mae(other[None], one)
    assert 0 <= mae(one[None], other)[0] <= 1
    similarity = ssim(one[None], other)[0]
    assert similarity == pytest.approx(ssim(other[None], one)[0], abs=1e-12)
    assert -1 - 1e-12 <= similarity <= 1 + 1e-12


@settings(max_examples=30, deadline=None)
@given(small_sets)
def test_displacements_are_distances(videos: Videos) -> None:
    distances = pairwise_displacements(videos)
    np.testing.assert_array_equal(distances, distances.T)
    assert (np.diag(distances) == 0).all()
    assert ((distances >= 0) & (distances <= 1)).all()
    assert distances[0, 1] <= distances[0, 2] + distances[2, 1] + 1e-12


@settings(max_examples=30, deadline=None)
@given(small_sets, st.permutations(range(3)))
def test_apd_does_not_depend_on_the_order_of_samples(videos: Videos, order: list[int]) -> None:
    whole = average_pairwise_displacement(videos)
    assert average_pairwise_displacement(videos[order]) == pytest.approx(whole, abs=1e-15)
    assert 0 <= whole <= 1
