"""How fast a set is scored: MAE of all futures, SSIM and APD of the kept, beside plain loops."""

from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import metrics as skimage_metrics

from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report
from flawcast.flows.benchmarks.timing import alternately, compared, machine
from flawcast.selection.metrics import average_pairwise_displacement, mae, ssim

SIZE, FRAMES = 256, 2
REFERENCE = "scikit-image and NumPy loops"
Scores = tuple[NDArray[np.float64], NDArray[np.float64], float]


@BENCHMARKS.register("metrics")
def metrics(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Time per set of futures; all ways do the same for each frame, so few frames are enough."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(request.seed)
    reference = rng.integers(0, 256, (FRAMES, SIZE, SIZE, 3), np.uint8)
    noise = rng.integers(-40, 41, (request.samples, 1, 1, SIZE, 3))
    videos = (reference.astype(np.int16) + noise).clip(0, 255).astype(np.uint8)
    kept = videos[: max(2, request.samples // 5)]
    scores_by_way: dict[str, Scores] = {}

    def ours() -> None:
        scores = mae(videos, reference), ssim(kept, reference), average_pairwise_displacement(kept)
        scores_by_way["ours"] = scores

    def loops() -> None:
        scores_by_way[REFERENCE] = _loops(videos, kept, reference)

    timings = alternately({REFERENCE: loops, "ours": ours}, request.repeats, on_done)
    apart = max(
        float(np.abs(np.asarray(one) - np.asarray(other)).max())
        for one, other in zip(scores_by_way["ours"], scores_by_way[REFERENCE], strict=True)
    )
    return Report(
        title=f"metrics: MAE of {len(videos)} futures, SSIM and APD of {len(kept)}, "
        f"{FRAMES} frames of {SIZE}x{SIZE}, {request.repeats} repetitions",
        rows=tuple(compared(timings, REFERENCE, dict.fromkeys(timings, FRAMES), "frame")),
        note=f"a frame is one point in time of all futures; largest difference {apart:.1e}. "
        + machine(),
    )


def _loops(
    videos: NDArray[np.uint8], kept: NDArray[np.uint8], reference: NDArray[np.uint8]
) -> Scores:
    """The same scores frame by frame, on floats."""
    similarity: Any = skimage_metrics.structural_similarity
    truth = reference / 255
    errors = [
        np.mean(
            [np.abs(frame / 255 - true).mean() for frame, true in zip(video, truth, strict=True)]
        )
        for video in videos
    ]
    similar = [
        np.mean(
            [
                similarity(frame / 255, true, channel_axis=-1, data_range=1)
                for frame, true in zip(video, truth, strict=True)
            ]
        )
        for video in kept
    ]
    apart = [np.abs(one / 255 - other / 255).mean() for one, other in combinations(kept, 2)]
    return np.array(errors), np.array(similar), float(np.mean(apart))
