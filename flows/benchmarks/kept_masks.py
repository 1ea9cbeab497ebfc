"""How well the masks of kept futures agree with what really happened, on held-out clips."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import StoreError
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row, alone
from flawcast.flows.generate.plan import plan_sets
from flawcast.flows.generate.sample_set import SetRequest, make_set
from flawcast.generators.line.clips import STATES, draw_line, write_line
from flawcast.generators.model import find_model, load_model
from flawcast.generators.rendering.carried_masks import mean_iou
from flawcast.storage.layered import LayeredArray

FRAMES = 24


@BENCHMARKS.register("kept-masks")
@alone("its table is about a model")
def kept_masks(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Intersection over union of stored masks with the part's true mask, in reconstruction mode.

    Sets are made as `flawcast generate --masks` makes them. A kept future is a guess at what the
    clip really does next, and its mask is compared with the part's in the clip itself: so the
    figure sums up the errors of forecast, motion field and mask. Beside it stands the figure for
    leaving the source's mask where it was.
    """
    model = load_model(find_model(request.model))
    size, horizon = model.clip_settings(None).size, model.card.settings.forecast
    settings = GenerateSettings(
        past=horizon.past,
        future=horizon.future,
        samples=request.samples,
        keep=request.samples // 5,
    )
    clips = {
        clip.name: clip for clip in draw_line(request.clips_per_state, request.seed, FRAMES, size)
    }
    figures: dict[str, list[dict[str, float]]] = {state: [] for state in STATES}
    with tempfile.TemporaryDirectory() as folder:
        read = ClipSettings(size=size)
        line = write_line(Path(folder), clips.values())
        plan = plan_sets(
            line, None, ("reconstruction",), settings, read, model.weights_id, 1, masks=True
        )
        for done, item in enumerate(plan.sets, start=1):
            made = make_set(item, model, SetRequest(settings, read, "benchmark", "0"))
            truth = clips[item.entry.path.stem].part_masks
            start = item.window.start + settings.past
            figures[item.entry.label].append(
                _measure(made.masks, made.valid, truth[start : start + settings.future], truth[0])
            )
            on_done(done, len(plan.sets))
    rows: list[Row] = [{"state": state, **_means(clips)} for state, clips in figures.items()]
    everything = [clip for clips in figures.values() for clip in clips]
    return Report(
        title=f"kept masks: {request.model} at {size}x{size}, {len(plan.sets)} sets of "
        f"{settings.keep} kept of {settings.samples}",
        rows=(*rows, {"state": "all", **_means(everything)}),
        note="mean intersection over union with the true part mask on valid pixels",
    )


def _measure(
    masks: NDArray[np.uint8] | LayeredArray | None,
    valid: NDArray[np.bool_] | LayeredArray | None,
    truth: NDArray[np.bool_],
    source: NDArray[np.bool_],
) -> dict[str, float]:
    """Figures of one set: means over its kept futures."""
    if masks is None or valid is None:
        raise StoreError("masks: expected some in a set that was planned with masks, got none")
    still = np.broadcast_to(source, truth.shape)
    pairs = [(levels > 0, seen) for levels, seen in zip(masks, valid, strict=True)]
    everywhere = np.ones_like(valid[0])
    return {
        "kept futures": float(np.mean([mean_iou(mask, truth, seen) for mask, seen in pairs])),
        "left where it was": float(np.mean([mean_iou(still, truth, seen) for _, seen in pairs])),
        "all pixels": float(np.mean([mean_iou(mask, truth, everywhere) for mask, _ in pairs])),
        "valid pixels": float(np.mean([seen.mean() for _, seen in pairs])),
    }


def _means(sets: list[dict[str, float]]) -> dict[str, float]:
    """Mean of every figure over sets."""
    return {name: float(np.mean([item[name] for item in sets])) for name in sets[0]}
