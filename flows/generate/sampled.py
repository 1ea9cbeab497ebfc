"""What a set is made of: its clips as they are seen, its source, and the futures sampled for it."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.defect_settings import DefectSettings
from flawcast.configs.driving import Driving
from flawcast.configs.identity import derive_seed
from flawcast.configs.settings import GenerateSettings, KeepAs
from flawcast.flows.generate.plan import SetPlan
from flawcast.flows.running.stages import stage
from flawcast.generators.backbones import Context, MotionBackbone
from flawcast.generators.clips import Clip
from flawcast.generators.clips.kept import planned_clip, planned_frame
from flawcast.generators.forecasters import KeypointPredictor
from flawcast.generators.model import Model
from flawcast.generators.rendering.precision import in_precision
from flawcast.generators.rendering.scene import Scene

MOST_EARLIER = 48  # frames before a window that may show the background where parts are in it


@dataclass(frozen=True)
class SetRequest:
    """What is needed to make a set, apart from its plan and the model."""

    settings: GenerateSettings
    clips: ClipSettings
    run_id: str
    version: str
    keep_as: KeepAs | None = None  # as in `GenerateRequest`
    defects: DefectSettings | None = None  # likewise

    def of_set(self, plan: SetPlan) -> "SetRequest":
        """The same for one set, whose motions its plan may say."""
        if plan.driving is None:
            return self
        return replace(self, settings=self.settings.model_copy(update={"driving": plan.driving}))


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
        context: What the backbone saw of the clip.
    """

    clip: Clip
    past: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    source: NDArray[np.uint8]
    keypoints: Tensor
    scene: Scene
    context: Context


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
    line = [earlier] if len(earlier) else []
    context = backbone.observe(window, settings.past, line, plan.clip_id)
    keypoints = context.keypoints()
    if plan.mode == "transfer":
        foreign = keypoints[0].to(backbone.device)
        source, others = _source_context(plan, backbone, clips)
        scene = Scene.observed(backbone, *others, foreign, settings.transfer)
    else:
        source = window[plan.source.frame - start].copy()
        scene = Scene.observed(backbone, context, plan.source.frame - start)
    past, truth = window[: settings.past], window[settings.past :]
    return Observed(clip, past, truth, source, keypoints, scene, context)


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
    backbone = model.backbone_for(request.clips)
    with stage("observe"):
        observed = observe(plan, backbone, settings, request.clips)
    with stage("sample"):
        predictor = model.predictor_for(plan.clip_id)
        if settings.driving is None:
            past = observed.keypoints[: settings.past]
            futures = observed.context.possible(sample_futures(plan, predictor, past, settings))
        else:
            futures = driven_futures(plan, predictor, observed, settings, settings.driving)
        scene = in_precision(observed.scene, settings.precision, futures.flatten(0, 1))
    return Sampled(**{**vars(observed), "scene": scene}, futures=futures)


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


def driven_futures(
    plan: SetPlan,
    predictor: KeypointPredictor,
    observed: Observed,
    settings: GenerateSettings,
    driving: Driving,
) -> Tensor:
    """The motions of a set of `augment`: the real one, and sampled ones that are nearest to it.

    Every source gets futures of its own.

    Args:
        plan: The set.
        predictor: Samples futures.
        observed: The driving clip.
        settings: Horizon, number of motions and seed.
        driving: Which motions.

    Returns:
        The real motion first, where it is asked for, (N, F, D).
    """
    past, truth = observed.keypoints[: settings.past], observed.keypoints[settings.past :]
    source = (plan.source.clip_id, plan.source.frame)
    seed = derive_seed(
        settings.seed, plan.clip_id, plan.window.start, "driven", *source, driving.turn
    )
    wanted = settings.samples - driving.real
    drawn = predictor.sample(
        past,
        settings.future,
        max(driving.drawn, wanted),
        torch.Generator().manual_seed(seed),
        settings.temperature,
    )
    drawn = observed.context.possible(drawn)
    nearest = (drawn - truth.to(drawn)).abs().mean(dim=(1, 2)).argsort(stable=True)[:wanted]
    return torch.cat([truth.to(drawn)[None].repeat(driving.real, 1, 1), drawn[nearest]])
