"""Adapts a detector of parts to a line by self-made pairs, and fits a forecaster to its finds."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.adapt_settings import AdaptTraining
from flawcast.configs.errors import ClipError, ModelError, NothingToFollowError
from flawcast.configs.identity import content_id
from flawcast.configs.settings import TrainSettings, validated
from flawcast.configs.spread import spread
from flawcast.flows.generate.following import Followed
from flawcast.flows.generate.own_model import folds_of, predictor_of
from flawcast.flows.pictures.reconstruction_sheet import SHEET, strips
from flawcast.flows.running.display import Display
from flawcast.flows.train.card import model_card, workshop_of
from flawcast.flows.train.clips import TrainClip, read_clips, split_clips
from flawcast.flows.train.motion import LOSSES, LOSSES_EVERY, LossTable
from flawcast.flows.train.second_half import score_second_halves
from flawcast.flows.train.summary import TrainSummary
from flawcast.generators.backbones import build_backbone, load_backbone
from flawcast.generators.backbones.fomm import FOMM, FOMMConfig
from flawcast.generators.backbones.layers.backbone import LayersBackbone
from flawcast.generators.backbones.layers.detected import PartFinder
from flawcast.generators.backbones.layers.detector import (
    DetectorConfig,
    PartDetector,
    config_like,
    start_from_fomm,
)
from flawcast.generators.backbones.layers.observation import WORK_SIDE, observe
from flawcast.generators.clips import Reject
from flawcast.generators.model import find_model, save_model
from flawcast.generators.rendering.devices import pick_device
from flawcast.generators.training.checkpoint import Checkpoint
from flawcast.generators.training.self_made.drawn import DrawnStock
from flawcast.generators.training.self_made.learners import DetectorLearner
from flawcast.generators.training.self_made.objects import (
    ClipObjects,
    ClipStock,
    Stock,
    objects_of,
)
from flawcast.generators.training.self_made.training import (
    Learner,
    error_on_pairs,
    train_on_pairs,
)

Video = NDArray[np.uint8]

MOST_CLIPS = 64  # that parts are cut from
MOST_FRAMES = 240  # of each
CHECKPOINT = "adapting.safetensors"


@dataclass(frozen=True)
class Adapted:
    """What adapting gives.

    Args:
        error: Error of the motion on held-out pairs, as a share of the frame's side.
        before: The same before the first step.
        steps: Steps that were done.
    """

    error: float
    before: float
    steps: int


def train_layers(
    clips: Path | None, settings: TrainSettings, out: Path, display: Display, device: str
) -> TrainSummary:
    """Train a detector for `layers`, and write a model folder that `generate --model` takes.

    Args:
        clips: Folder of clips; None for the preset's built-in line.
        settings: With the backbone `layers`.
        out: Model folder to write; new or empty.
        display: Shows progress.
        device: Where the detector is trained.

    Raises:
        FlawcastError: If the clips or the settings cannot be used.
    """
    began = time.perf_counter()
    adapt = settings.adapt or AdaptTraining()
    rejects: list[Reject] = []
    everything = [
        _shortened(clip) for clip in read_clips(clips, _reading(settings), rejects, display)
    ]
    training, _, test = split_clips(everything, settings)
    detector = start_detector(settings).to(pick_device(device))
    stock, held_out = _stocks(detector.config, training, test, settings, display)
    workshop = workshop_of(out)
    learner = DetectorLearner(detector, adapt.losses)
    ids = [] if adapt.drawn else sorted(clip.id for clip in training)
    adapted = adapt_on_pairs(learner, stock, held_out, settings, ids, workshop, display)
    detector.to("cpu")
    followed = _followed(training, LayersBackbone.knowing([], detector).eval(), display)
    past, future = settings.forecast.past, settings.forecast.future
    usable = [clip for clip in followed if len(clip.keypoints) >= past + future]
    if not usable:
        raise ClipError(
            f"clips: expected one whose part is found in past + future = {past + future} frames, "
            "found none; lower --past and --future or use longer clips"
        )
    predictor = predictor_of(usable, past, future, settings.seed)
    folds = folds_of(usable, past, future, settings.seed)
    backbone = LayersBackbone.knowing([(clip.id, clip.plate) for clip in followed], detector)
    metrics = {
        "pairs_error": adapted.error,
        "pairs_error_before": adapted.before,
        "steps": float(adapted.steps),
    }
    shown = [clip.frames for clip in test]
    halves = score_second_halves(shown, PartFinder(detector))
    metrics |= halves.metrics
    card = model_card(settings, training, test, metrics, time.perf_counter() - began)
    save_model(out, backbone.eval(), predictor, card, folds)
    (workshop / LOSSES).replace(out / LOSSES)
    shutil.rmtree(workshop)
    strips([(truth, drawn) for truth, drawn in halves.videos], out / SHEET)
    seconds = time.perf_counter() - began
    return TrainSummary(out, len(training), len(test), metrics, tuple(rejects), seconds)


def adapt_on_pairs(
    learner: Learner,
    stock: Stock,
    held_out: Stock,
    settings: TrainSettings,
    clip_ids: Sequence[str],
    workshop: Path,
    display: Display,
) -> Adapted:
    """Train on self-made pairs; an interrupted training continues from its checkpoint."""
    adapt = settings.adapt or AdaptTraining()
    workshop.mkdir(parents=True, exist_ok=True)
    settings_of_key = settings.model_dump(
        mode="json", include={"backbone", "start", "adapt", "seed"}
    )
    key = content_id("adapting", clips=list(clip_ids), **settings_of_key)
    checkpoint = Checkpoint(workshop / CHECKPOINT, key)
    losses = LossTable(workshop / LOSSES)
    learner.networks.eval()
    before = error_on_pairs(learner, held_out, adapt, settings.seed)
    errors: list[float] = []
    with display.training("self-made pairs", adapt.steps) as on_step:

        def progress(step: int, values: dict[str, float]) -> None:
            errors.append(values["error"] / 2)
            recent = float(np.mean(errors[-50:]))
            on_step(step, f"motion is wrong by {recent:.3f} of the frame, at first {before:.3f}")
            if step == 1 or step % LOSSES_EVERY == 0:
                losses.add(step, values)

        steps = train_on_pairs(learner, stock, adapt, settings.seed, progress, checkpoint)
    after = error_on_pairs(learner, held_out, adapt, settings.seed)
    display.say(
        f"on {adapt.held_out} held-out pairs the motion is wrong by {after:.4f} of the frame, "
        f"{before:.4f} before"
    )
    return Adapted(after, before, steps)


def start_detector(settings: TrainSettings) -> PartDetector:
    """The detector to begin with: that of another model, or a new one.

    Raises:
        ModelError: If the model to start from has no detector of parts and is no FOMM.
    """
    if settings.start is None:
        fresh = build_backbone(
            "layers",
            {"detector": DetectorConfig().model_dump()} | settings.backbone.config,
            settings.seed,
        )
        assert isinstance(fresh, LayersBackbone)  # noqa: S101 - narrows the type
        assert fresh.detector is not None  # noqa: S101
        return fresh.detector
    start = load_backbone(find_model(settings.start))
    if isinstance(start, LayersBackbone) and start.detector is not None:
        return start.detector
    if isinstance(start, FOMM):
        sizes = validated(FOMMConfig, start.config.model_dump(), "start")
        params, count = sizes.kp_detector_params, sizes.common_params.num_kp
        detector = PartDetector(config_like(params, count))
        start_from_fomm(detector, start.kp_detector.state_dict())
        return detector
    raise ModelError(
        f"start: expected a FOMM or a model of train --backbone layers, {settings.start} is a "
        f"{start.name} without a detector of parts; use --start line-128"
    )


def _reading(settings: TrainSettings) -> TrainSettings:
    """How clips are read: no larger than parts are looked for."""
    size = min(settings.clips.size, WORK_SIDE)
    return settings.model_copy(
        update={"clips": settings.clips.model_copy(update={"size": size, "fit": "keep"})}
    )


def _shortened(clip: TrainClip) -> TrainClip:
    """The first frames of a clip."""
    return TrainClip(clip.id, clip.name, clip.frames[:MOST_FRAMES].copy(), clip.split)


def _stocks(
    config: DetectorConfig,
    training: Sequence[TrainClip],
    test: Sequence[TrainClip],
    settings: TrainSettings,
    display: Display,
) -> tuple[Stock, Stock]:
    """Where pairs to learn from, and held-out ones, come from."""
    if settings.adapt is not None and settings.adapt.drawn:
        return DrawnStock(config.frame, settings.seed), DrawnStock(config.frame, settings.seed + 1)
    objects = clip_objects(training, config.frame, display)
    if not objects:
        raise ClipError(
            f"clips: expected a part that can be cut out, found none in {len(training)} clips; "
            "use frames in which a part moves before a camera that stands still"
        )
    apart = [clip for clip in test if clip.id not in {one.id for one in training}]
    unseen = clip_objects(apart, config.frame, display)
    return ClipStock(objects), ClipStock(unseen or objects)


def clip_objects(clips: Sequence[TrainClip], side: int, display: Display) -> list[ClipObjects]:
    """Parts and backgrounds of clips; those that show none are named."""
    found = []
    for clip in spread(clips, MOST_CLIPS):
        try:
            found.append(objects_of(observe(clip.frames), clip.frames, side))
        except ClipError as error:
            display.say(f"nothing cut out: {clip.name}: {error}")
    return found


def _followed(
    clips: Sequence[TrainClip], backbone: LayersBackbone, display: Display
) -> list[Followed]:
    """Clips whose part is found, by tracking or by the detector.

    Raises:
        ClipError: If there is none.
    """
    followed = []
    for clip in spread(clips, MOST_CLIPS):
        try:
            context = backbone.observe(clip.frames)
        except (NothingToFollowError, ClipError) as error:
            display.say(f"not followed: {clip.name}: {error}")
            continue
        measured = context.keypoints()[context.measured()]
        followed.append(Followed(clip.id, clip.name, measured, context.seen.plate))
    if not followed:
        raise ClipError(
            f"clips: expected a part that the adapted detector finds, found none in {len(clips)} "
            "clips; use more of them, or more --steps"
        )
    return followed
