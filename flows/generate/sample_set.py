"""One sample set from end to end: clip, keypoints, futures, videos, scores, kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.identity import content_id, derive_seed
from flawcast.configs.set_settings import SetSettings
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.masks import make_masks, read_levels
from flawcast.flows.generate.plan import SetPlan
from flawcast.generators.backbones import Context, MotionBackbone
from flawcast.generators.clips import Clip
from flawcast.generators.clips.kept import planned_clip, planned_frame
from flawcast.generators.forecasters import KeypointPredictor
from flawcast.generators.model import Model
from flawcast.generators.rendering.precision import in_precision
from flawcast.generators.rendering.scene import Scene
from flawcast.selection.metrics import mae, sample_diversity, ssim, temporal_coherence
from flawcast.selection.pruning import Closest, keep_closest
from flawcast.selection.selectors import SELECTORS, Candidates, lowest_mae
from flawcast.storage import SampleSet, SetProvenance

OnFutures = Callable[[int], None]

MOST_EARLIER = 48  # frames before a window that may show the background where parts are in it


@dataclass(frozen=True)
class SetRequest:
    """What is needed to make a set, apart from its plan and the model."""

    settings: GenerateSettings
    clips: ClipSettings
    run_id: str
    version: str


def make_set(
    plan: SetPlan,
    model: Model,
    request: SetRequest,
    on_futures: OnFutures = lambda done: None,
    on_frames: OnFutures = lambda rendered: None,
) -> SampleSet:
    """Sample futures of one window of a clip, render and score them, and keep the best.

    Args:
        plan: The window, the source frame and the mode.
        model: Backbone and forecaster.
        request: The settings, and the run's data for the set's provenance.
        on_futures: Called with the number of futures that are rendered or ruled out so far.
        on_frames: Called once, with the number of frames that were rendered, of N * F.

    Returns:
        The kept videos, the keypoints of all futures, and the scores.
    """
    settings = request.settings
    sampled = sample_set_futures(plan, model, request)
    truth, scene = sampled.truth, sampled.scene
    transfer = plan.mode == "transfer"
    still = scene.render(sampled.keypoints[settings.past - 1 : settings.past])
    reference = scene.render(sampled.keypoints[settings.past :]) if transfer else truth
    closest = render_and_keep(sampled, reference, settings, on_futures)
    on_frames(closest.drawn)
    kept, indices = closest.videos, closest.indices.tolist()
    masks = None
    if plan.masks is not None:
        levels = read_levels(plan.source.entry, request.clips, plan.source.length)
        on_source = None if levels is None else levels[plan.source.frame]
        masks = make_masks(plan.masks.kind, scene, sampled.futures, indices, on_source)
    diversity = sample_diversity(kept)
    stored = _finished(plan, sampled, kept, indices)
    return SampleSet(
        id=plan.set_id,
        videos=stored,
        indices=indices,
        keypoints=sampled.futures.numpy(),
        mae=closest.mae.astype(np.float32),
        hold_mae=float(mae(np.repeat(still, settings.future, axis=0)[None], reference)[0]),
        past=sampled.past,
        reference=reference,
        source=sampled.source,
        ssim=ssim(kept, reference).astype(np.float32),
        diversity=diversity.astype(np.float32),
        apd=float(diversity.mean()),
        coherence=temporal_coherence(kept, reference),
        provenance=_provenance(plan, sampled.clip, model, request),
        masks=None if masks is None else masks.maps,
        valid=None if masks is None else masks.valid,
    )


def _finished(
    plan: SetPlan, sampled: "Sampled", kept: NDArray[np.uint8], indices: Sequence[int]
) -> NDArray[np.uint8]:
    """Kept videos as they are stored; scores are of the videos without sensor noise."""
    finished = [
        finished_video(plan.set_id, sampled, video, index)
        for video, index in zip(kept, indices, strict=True)
    ]
    return np.stack(finished)


def finished_video(
    set_id: str, sampled: "Sampled", video: NDArray[np.uint8], index: int
) -> NDArray[np.uint8]:
    """One drawn future (F, H, W, 3) as it is stored."""
    seed = derive_seed(0, set_id, index, "noise")
    return sampled.scene.finish(sampled.futures[index], video, seed)


@dataclass(frozen=True)
class Observed:
    """A set's input, before any future is sampled.

    Args:
        clip: The clip whose future is sampled.
        past: Observed frames, (P, H, W, 3).
        truth: What really happened, (F, H, W, 3).
        source: The frame that is animated, (H, W, 3).
        keypoints: The keypoints of past and truth, (P + F, D).
        scene: The source, ready to be rendered.
    """

    clip: Clip
    past: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    source: NDArray[np.uint8]
    keypoints: Tensor
    scene: Scene


@dataclass(frozen=True)
class Sampled(Observed):
    """A set's input with its futures, before any is rendered.

    Args:
        futures: The keypoints of the sampled futures, (N, F, D).
    """

    futures: Tensor


def observe(
    plan: SetPlan, backbone: MotionBackbone, settings: GenerateSettings, clips: ClipSettings
) -> Observed:
    """Read a set's clips, find its keypoints and encode its source.

    Raises:
        ClipError: If a clip changed since the set was planned, or cannot be read.
    """
    clip = planned_clip(plan.entry, clips, plan.clip_id)
    start, split = plan.window.start, plan.window.start + settings.past
    window = clip.frames[start : split + settings.future]
    earlier = clip.frames[max(0, start - MOST_EARLIER) : start]
    context = backbone.observe(window, settings.past, [earlier] if len(earlier) else [])
    keypoints = context.keypoints()
    if plan.mode == "transfer":
        foreign = keypoints[0].to(backbone.device)
        source, others = _source_context(plan, backbone, clips)
        scene = Scene.observed(backbone, *others, foreign, settings.transfer)
    else:
        source = window[plan.source.frame - start].copy()
        scene = Scene.observed(backbone, context, plan.source.frame - start)
    return Observed(
        clip, window[: settings.past], window[settings.past :], source, keypoints, scene
    )


def _source_context(
    plan: SetPlan, backbone: MotionBackbone, clips: ClipSettings
) -> tuple[NDArray[np.uint8], tuple[Context, int]]:
    """The frame of another clip that is animated, and what the backbone must see of that clip.

    No score depends on what happens in a clip that lends its looks alone, so all of it may be seen.
    """
    entry, clip_id, frame = plan.source.entry, plan.source.clip_id, plan.source.frame
    if backbone.follows_parts:
        whole = planned_clip(entry, clips, clip_id).frames
        return whole[frame].copy(), (backbone.observe(whole), frame)
    source = planned_frame(entry, clips, clip_id, frame)
    return source, (backbone.observe(source[None]), 0)


def sample_set_futures(plan: SetPlan, model: Model, request: SetRequest) -> Sampled:
    """Read a set's clips, find its keypoints, sample its futures and encode its source."""
    settings = request.settings
    observed = observe(plan, model.backbone, settings, request.clips)
    futures = sample_futures(
        plan, model.predictor_for(plan.clip_id), observed.keypoints[: settings.past], settings
    )
    scene = in_precision(observed.scene, settings.precision, futures.flatten(0, 1))
    return Sampled(**{**vars(observed), "scene": scene}, futures=futures)


def render_and_keep(
    sampled: Sampled,
    reference: NDArray[np.uint8],
    settings: GenerateSettings,
    on_futures: OnFutures = lambda done: None,
) -> Closest:
    """Render a set's futures as far as the selector needs them, and keep those it chooses.

    The selector of the closest ones stops rendering a future once it cannot be among them. Any
    other selector gets all videos.
    """
    futures, scene = sampled.futures, sampled.scene
    selector = SELECTORS[settings.selector]
    if selector is not lowest_mae:
        videos = scene.render_all(futures, on_futures)  # (N, F, H, W, 3)
        errors = mae(videos, reference)
        indices = selector(Candidates(videos, errors), settings.keep)
        return Closest(indices, videos[indices], errors, videos.shape[0] * videos.shape[1])
    placed = torch.stack([scene.place(future) for future in futures])

    def draw_frames(pairs: Sequence[tuple[int, int]]) -> NDArray[np.uint8]:
        return scene.draw(torch.stack([placed[future, frame] for future, frame in pairs]))

    guess = _distances(scene.backbone, futures, sampled.keypoints[settings.past :])
    return keep_closest(draw_frames, reference, guess, settings.keep, scene.batch, on_futures)


def _distances(backbone: MotionBackbone, futures: Tensor, truth: Tensor) -> NDArray[np.float32]:
    """How far the keypoints of futures (N, F, D) are from the true ones (F, D): (N,)."""
    flat = backbone.positions(futures.flatten(0, 1).to(backbone.device))
    true = backbone.positions(truth.to(backbone.device))
    apart = (flat.unflatten(0, futures.shape[:2]) - true).abs().flatten(1).mean(dim=1)
    return apart.cpu().numpy()


def sample_futures(
    plan: SetPlan, predictor: KeypointPredictor, past: Tensor, settings: GenerateSettings
) -> Tensor:
    """Sample futures of a window's keypoints; equal inputs give equal futures on every worker.

    Both modes of a window get the same futures.
    """
    seed = derive_seed(settings.seed, plan.clip_id, plan.window.start, "futures")
    return predictor.sample(
        past,
        settings.future,
        settings.samples,
        torch.Generator().manual_seed(seed),
        settings.temperature,
    )


def _provenance(plan: SetPlan, clip: Clip, model: Model, request: SetRequest) -> SetProvenance:
    """Everything needed to trace a set to its real clips and to make it again."""
    set_settings = SetSettings(request.settings, request.clips, plan.source.entry.split, plan.masks)
    return SetProvenance(
        clip_id=plan.clip_id,
        clip_name=clip.name,
        label=clip.label,
        split=clip.split,
        onset=clip.onset,
        fps=clip.fps,
        window_start=plan.window.start,
        past=plan.window.past,
        future=plan.window.future,
        mode=plan.mode,
        source_clip_id=plan.source.clip_id,
        source_clip_name=plan.source.entry.name,
        source_frame=plan.source.frame,
        backbone=model.backbone.name,
        forecaster=model.predictor.name,
        weights_id=model.weights_id,
        settings_id=content_id("settings", **request.settings.model_dump(mode="json")),
        settings=set_settings.to_json(),
        seed=request.settings.seed,
        samples=request.settings.samples,
        keep=request.settings.keep,
        run_id=request.run_id,
        version=request.version,
    )
