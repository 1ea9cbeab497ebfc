"""One sample set from end to end: clip, keypoints, futures, videos, scores, kept."""

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.defect_settings import MadeDefect, SetDefect
from flawcast.configs.identity import content_id
from flawcast.configs.set_settings import SetSettings
from flawcast.flows.generate.defects.in_set import prepare_defect
from flawcast.flows.generate.defects.on_layers import DefectOnLayers
from flawcast.flows.generate.defects.on_pixels import DefectOnPixels
from flawcast.flows.generate.defects.orders import WITH_DEFECT
from flawcast.flows.generate.kept import OnFutures, keep_layers, keep_pixels
from flawcast.flows.generate.layered import keeps_layers, layers_of, mask_material
from flawcast.flows.generate.masks import read_levels
from flawcast.flows.generate.plan import SetPlan
from flawcast.flows.generate.sampled import Sampled, sample_set_futures
from flawcast.flows.generate.sampled import SetRequest as SetRequest
from flawcast.flows.running.stages import stage
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
    sampled = sample_set_futures(plan, model, request)
    with stage("render"):  # and score: futures that cannot be kept are not rendered to their end
        return _kept_of(plan, sampled, model, request, on_futures, on_frames)


def _kept_of(
    plan: SetPlan,
    sampled: Sampled,
    model: Model,
    request: SetRequest,
    on_futures: OnFutures,
    on_frames: OnFutures,
) -> SampleSet:
    """Render and score sampled futures, and keep the best; arguments as in `make_set`."""
    settings, levels = request.settings, None
    if plan.masks not in (None, WITH_DEFECT):
        whole = read_levels(plan.source.entry, request.clips, plan.source.length)
        levels = None if whole is None else whole[plan.source.frame]
    size = (sampled.past.shape[1], sampled.past.shape[2])
    defect = _prepared(plan, sampled, request, levels)
    if isinstance(defect, MadeDefect) and plan.masks == WITH_DEFECT:
        levels = np.zeros(size, np.uint8)
    own, usual = mask_material(plan.masks, sampled.futures, levels)
    layers = layers_of(sampled.scene, sampled.futures, size, own, usual)
    if layers is None:
        on_pixels = defect if isinstance(defect, DefectOnPixels) else None
        kept = keep_pixels(plan, sampled, settings, levels, on_futures, on_pixels)
    else:
        on_layers = defect if isinstance(defect, DefectOnLayers) else None
        kept = keep_layers(plan, sampled, settings, layers, on_futures, on_layers)
        if not keeps_layers(sampled.scene, size, request.keep_as):
            kept = kept.as_pixels()
    made = defect if isinstance(defect, MadeDefect) else kept.made
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
        provenance=_provenance(plan, sampled.clip, model, request, made, len(kept.ranking.indices)),
        masks=kept.masks,
        valid=kept.valid,
    )


def _prepared(
    plan: SetPlan, sampled: Sampled, request: SetRequest, levels: NDArray[np.uint8] | None
) -> DefectOnLayers | DefectOnPixels | MadeDefect | None:
    """The set's defect, if it has an order for one."""
    if plan.order is None or request.defects is None:
        return None
    if levels is None and sampled.scene.backbone.renderer is None:  # masks may tell the part
        whole = read_levels(plan.source.entry, request.clips, plan.source.length)
        levels = None if whole is None else whole[plan.source.frame]
    return prepare_defect(plan, sampled, request.defects, request.clips, levels)


def _provenance(
    plan: SetPlan, clip: Clip, model: Model, request: SetRequest, made: MadeDefect | None, keep: int
) -> SetProvenance:
    """Everything needed to trace a set to its real clips and to make it again.

    The label of a set with a defect is the defect's, and its onset that of the defect.
    """
    defect = None
    if plan.order is not None and made is not None:
        defect = SetDefect(plan.order, made, clip.label)
    set_settings = SetSettings(
        request.settings, request.clips, plan.source.entry.split, plan.masks, defect
    )
    label, onset = clip.label, clip.onset
    if defect is not None and defect.shows:
        label = defect.order.label
        onset = plan.window.start + plan.window.past + (defect.order.onset or 0)
    return SetProvenance(
        clip_id=plan.clip_id,
        clip_name=clip.name,
        label=label,
        split=clip.split,
        onset=onset,
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
        keep=keep,
        run_id=request.run_id,
        version=request.version,
    )
