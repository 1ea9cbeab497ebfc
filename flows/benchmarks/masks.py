"""How well a mask drawn on the first frame follows the part, on held-out clips of the line."""

import numpy as np
import torch

from flawcast.configs.model_card import read_card
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row, alone
from flawcast.generators.backbones import MotionBackbone, load_backbone
from flawcast.generators.clips.frames import to_tensor
from flawcast.generators.line.clips import STATES, LineClip, draw_line
from flawcast.generators.model import find_model
from flawcast.generators.rendering.carried_masks import carry_mask, mean_iou

FRAMES = 24


@BENCHMARKS.register("masks")
@alone("its table is about a model")
def masks(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Intersection over union with the part's true mask, driven by the true keypoints.

    The mask of the first frame is carried along the dense motion; beside it stands the figure for
    leaving it where it was, on the same valid pixels.
    """
    folder = find_model(request.model)
    backbone = load_backbone(folder)
    size = read_card(folder).settings.clips.size
    figures: dict[str, list[dict[str, float]]] = {state: [] for state in STATES}
    total = request.clips_per_state * len(STATES)
    clips = draw_line(request.clips_per_state, request.seed, FRAMES, size)
    for done, clip in enumerate(clips, start=1):
        figures[clip.label].append(_measure(backbone, clip))
        on_done(done, total)
    rows: list[Row] = [{"state": state, **_means(clips)} for state, clips in figures.items()]
    everything = [clip for clips in figures.values() for clip in clips]
    return Report(
        title=f"masks: {request.model} at {size}x{size}, {total} clips of {FRAMES} frames",
        rows=(*rows, {"state": "all", **_means(everything)}),
        note="mean intersection over union with the true part mask on valid pixels",
    )


@torch.no_grad()
def _measure(backbone: MotionBackbone, clip: LineClip) -> dict[str, float]:
    """Figures of one clip, its first frame left out."""
    frames = to_tensor(clip.frames)
    drawn = backbone.rendering(backbone.appearance(frames[0]), backbone.keypoints(frames))
    carried = carry_mask(clip.part_masks[0], drawn)
    mask, valid, truth = carried.mask[1:], carried.valid[1:], clip.part_masks[1:]
    still = np.broadcast_to(clip.part_masks[:1], truth.shape)
    return {
        "carried": mean_iou(mask, truth, valid),
        "left where it was": mean_iou(still, truth, valid),
        "carried, all pixels": mean_iou(mask, truth, np.ones_like(valid)),
        "valid pixels": float(valid.mean()),
    }


def _means(clips: list[dict[str, float]]) -> dict[str, float]:
    """Mean of every figure over clips."""
    return {name: float(np.mean([clip[name] for clip in clips])) for name in clips[0]}
