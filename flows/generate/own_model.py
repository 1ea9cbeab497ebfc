"""The model of a store's own clips: parts as they are, and a forecaster fitted to their tracks."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from flawcast.configs.clip_settings import NATIVE, ClipSettings
from flawcast.configs.errors import ClipError, ModelError, SettingsError
from flawcast.configs.model_card import Card, Versions, read_card
from flawcast.configs.settings import Choice, ForecastTraining, TrainSettings
from flawcast.configs.spread import spread
from flawcast.flows.generate.following import Followed, follow_clips
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.seconds import request_in_frames
from flawcast.generators.backbones.layers.backbone import LayersBackbone, LayersConfig
from flawcast.generators.clips import list_clips
from flawcast.generators.clips.listing import TEST, VALIDATION
from flawcast.generators.forecasters import KeypointPredictor
from flawcast.generators.model import find_model, is_model, save_model

BACKBONE, FORECASTER = "layers", "rigid_ridge"
HORIZONS = ((12, 12), (6, 6), (4, 4))  # past and future frames; the longest that most clips allow
ENOUGH = 2 / 3  # of the clips
MOST_CLIPS = 64  # that are followed; more teach the forecaster little
FOLDS = 12  # groups of clips, each left out once


def with_model(request: GenerateRequest, say: Callable[[str], None]) -> GenerateRequest:
    """The request with the folder of its model; one that names none gets that of its own clips.

    Args:
        request: The user's request.
        say: Takes lines for people.

    Raises:
        FlawcastError: If there is no such model, or none can be made of the clips.
    """
    if request.model is None:
        request = request_in_frames(request)
        folder = own_model(request, say)
    else:
        folder = find_model(request.model)
    return request.model_copy(update={"model": folder.absolute()})


def own_model(request: GenerateRequest, say: Callable[[str], None]) -> Path:
    """The folder of the model beside a store; fitted if it is not there yet.

    Args:
        request: A request that names no model.
        say: Takes lines for people.

    Raises:
        FlawcastError: If no clip can be followed, or the model that is there does not fit.
    """
    folder = model_beside(request.store)
    if not is_model(folder):
        return _fit(request, folder, say)
    trained = read_card(folder).settings
    _expect_same(request, trained, folder)
    horizon = trained.forecast
    say(
        f"model: {folder}, fitted before: {horizon.past} past and {horizon.future} future frames, "
        f"short side at most {trained.clips.size} pixels"
    )
    return folder


def model_beside(store: str) -> Path:
    """Where the model of a store's own clips is: STORE.model; for a bucket, in this folder."""
    address = store.rstrip("/")
    if "://" in address and not address.startswith("file://"):
        return Path(f"{address.rsplit('/', 1)[1]}.model").absolute()
    return Path(f"{address.removeprefix('file://')}.model").absolute()


def _expect_same(request: GenerateRequest, trained: TrainSettings, folder: Path) -> None:
    """Refuse options that differ from those that the model was fitted with.

    Raises:
        ModelError: If one does.
    """
    there = {
        "size": trained.clips.size,
        "past": trained.forecast.past,
        "future": trained.forecast.future,
    }
    asked = {"size": request.size} if request.size is not None else {}
    given = request.settings.model_fields_set
    asked |= {name: getattr(request.settings, name) for name in ("past", "future") if name in given}
    for name, value in asked.items():
        if value != there[name]:
            raise ModelError(
                f"{name}: {folder} was fitted with {there[name]}, got {value}; leave out --{name}, "
                "remove that folder to fit anew, or use another store"
            )


def _fit(request: GenerateRequest, folder: Path, say: Callable[[str], None]) -> Path:
    """Follow the parts of the clips, and fit the forecaster to them."""
    began = time.perf_counter()
    clips = request.as_said(ClipSettings(size=request.size or NATIVE, fit="keep"))
    backbone = LayersBackbone(LayersConfig())
    # What `augment` makes is judged on clips to validate on: nothing of it may know them.
    unseen = (TEST,) if request.settings.driving is None else (TEST, VALIDATION)
    entries = [entry for entry in list_clips(request.clips) if entry.split not in unseen]
    if not entries:
        raise ClipError(
            f"clips: expected some to fit a model to, all of {request.clips} are of the split "
            f"{' or '.join(unseen)}; add others, or name a model with --model"
        )
    chosen = spread(entries, MOST_CLIPS)
    say(f"no --model: following the parts of {len(chosen)} clips, with nothing trained")
    followed = follow_clips(chosen, clips, backbone, max(1, request.workers), say, request.settings)
    past, future = _horizon(request, followed)
    usable = [clip for clip in followed if len(clip.keypoints) >= past + future]
    if not usable:
        longest = max(len(clip.keypoints) for clip in followed)
        raise ClipError(
            f"clips: expected one whose parts can be followed for past + future = {past + future} "
            f"frames, the longest has {longest}; lower --past and --future"
        )
    predictor = predictor_of(usable, past, future, request.settings.seed)
    folds = folds_of(usable, past, future, request.settings.seed)
    settings = TrainSettings(
        clips=clips,
        backbone=Choice(name=BACKBONE),
        forecaster=Choice(name=FORECASTER, config={"horizon": future}),
        forecast=ForecastTraining(past=past, future=future),
        seed=request.settings.seed,
    )
    card = Card(
        settings=settings,
        clips={clip.name: clip.id for clip in usable},
        seconds=round(time.perf_counter() - began, 1),
        versions=Versions.installed(),
    )
    backbone = LayersBackbone.knowing([(clip.id, clip.plate) for clip in followed])
    save_model(folder, backbone, predictor, card, folds)
    apart = (
        "each clip's futures come from a forecaster that has not seen it"
        if folds
        else "scores of a single clip's own windows are no test: the forecaster has seen it"
    )
    say(
        f"model: {folder}, fitted to {len(usable)} of {len(entries)} clips in {card.seconds} s: "
        f"{past} past and {future} future frames, short side at most {clips.size} pixels; {apart}"
    )
    return folder


def _horizon(request: GenerateRequest, clips: Sequence[Followed]) -> tuple[int, int]:
    """Past and future frames: as asked, else the longest that most clips allow."""
    asked = {"past", "future"} & request.settings.model_fields_set
    if len(asked) == 1:
        raise SettingsError(
            f"{asked.pop()}: without --model, give both --past and --future, or neither"
        )
    if asked:
        return request.settings.past, request.settings.future
    for past, future in HORIZONS:
        enough = sum(len(clip.keypoints) >= past + future for clip in clips)
        if enough >= ENOUGH * len(clips):
            return past, future
    return HORIZONS[-1]


def predictor_of(clips: Sequence[Followed], past: int, future: int, seed: int) -> KeypointPredictor:
    """A forecaster fitted to some clips."""
    features = clips[0].keypoints.shape[1]
    predictor = KeypointPredictor(FORECASTER, features, {"horizon": future})
    predictor.fit([clip.keypoints for clip in clips], past, future, seed=seed)
    return predictor


def folds_of(
    clips: Sequence[Followed], past: int, future: int, seed: int
) -> list[tuple[tuple[str, ...], KeypointPredictor]]:
    """Forecasters that have not seen some clips: the ids of those, and the forecaster.

    Clips whose names follow one another are left out together where there are many: they may be
    of one recording.
    """
    if len(clips) < 2:
        return []
    count = min(FOLDS, len(clips))
    bounds = [len(clips) * fold // count for fold in range(count + 1)]
    folds = []
    for first, last in pairwise(bounds):
        rest = [*clips[:first], *clips[last:]]
        left_out = tuple(clip.id for clip in clips[first:last])
        folds.append((left_out, predictor_of(rest, past, future, seed)))
    return folds
