"""One sample set from end to end: clip, keypoints, futures, videos, scores, kept."""

import numpy as np

from flawcast.configs.identity import content_id
from flawcast.configs.set_settings import SetSettings
from flawcast.flows.generate.kept import OnFutures, keep_layers, keep_pixels
from flawcast.flows.generate.layered import keeps_layers, layers_of, mask_material
from flawcast.flows.generate.masks import read_levels
from flawcast.flows.generate.plan import SetPlan
from flawcast.flows.generate.sampled import SetRequest as SetRequest
from flawcast.flows.generate.sampled import sample_set_futures
from flawcast.generators.clips import Clip
from flawcast.generators.model import Model
from flawcast.storage import SampleSet, SetProvenance


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
    request = request.of_set(plan)
    settings = request.settings
    sampled = sample_set_futures(plan, model, request)
    levels = None
    if plan.masks is not None:
        whole = read_levels(plan.source.entry, request.clips, plan.source.length)
        levels = None if whole is None else whole[plan.source.frame]
    size = (sampled.past.shape[1], sampled.past.shape[2])
    own, usual = mask_material(plan.masks, sampled.futures, levels)
    layers = layers_of(sampled.scene, sampled.futures, size, own, usual)
    if layers is None:
        kept = keep_pixels(plan, sampled, settings, levels, on_futures)
    else:
        kept = keep_layers(plan, sampled, settings, layers, on_futures)
        if not keeps_layers(sampled.scene, size, request.keep_as):
            kept = kept.as_pixels()
    on_frames(kept.ranking.drawn)
    return SampleSet(
        id=plan.set_id,
        videos=kept.videos,
        indices=kept.ranking.indices.tolist(),
        keypoints=sampled.futures.numpy(),
        mae=kept.ranking.mae.astype(np.float32),
        hold_mae=kept.hold_mae,
        past=sampled.past,
        reference=kept.reference,
        source=sampled.source,
        ssim=kept.scores.ssim.astype(np.float32),
        diversity=kept.scores.diversity.astype(np.float32),
        apd=kept.scores.apd,
        coherence=kept.scores.coherence,
        provenance=_provenance(plan, sampled.clip, model, request),
        masks=kept.masks,
        valid=kept.valid,
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
