"""A watch from good clips: half of them fit the forecaster, the other half calibrates it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError, ModelError
from flawcast.configs.model_card import Card, Versions, read_card
from flawcast.configs.settings import Choice, ForecastTraining, TrainSettings
from flawcast.flows.evaluation.watch.calibration import (
    FILE,
    Calibration,
    Pace,
    WatchSettings,
    read_calibration,
    stored,
)
from flawcast.flows.evaluation.watch.scoring import Piece, Scored, divided, fused, score_stream
from flawcast.flows.evaluation.watch.sights import FollowedSight, Sight, sight_of
from flawcast.flows.evaluation.watch.watcher import KINDS, Watcher
from flawcast.flows.generate.own_model import BACKBONE, FORECASTER, HORIZONS
from flawcast.generators.backbones.layers import LayersBackbone
from flawcast.generators.backbones.layers.backbone import LayersConfig
from flawcast.generators.clips import ClipEntry, clip_id
from flawcast.generators.clips.streams import ClipStream
from flawcast.generators.forecasters import KeypointPredictor
from flawcast.generators.model import SHIPPED, Model, check_free, load_model, save_model
from flawcast.selection.surprise.alarm_rate import Peaks
from flawcast.selection.surprise.tails import fitted_tails

Image = NDArray[np.uint8]
Floats = NDArray[np.floating]
Say = Callable[[str], None]

FEWEST_TRACKS = 0.5  # share of the tracks that a horizon must leave


@dataclass(frozen=True)
class Fitted:
    """A calibration, and what it rests on.

    Args:
        calibration: What a watch adds to a model.
        scored: The good streams that calibrated it.
        pieces: What they are pieces of, among others that could not be watched.
        learnt: Good pieces that the forecaster was fitted to.
    """

    calibration: Calibration
    scored: tuple[Scored, ...]
    pieces: tuple[Piece, ...]
    learnt: Sequence[Piece] = ()


def fit_watch(
    entries: Sequence[ClipEntry],
    folder: Path,
    settings: WatchSettings,
    asked: bool,
    seed: int,
    say: Say,
) -> Fitted:
    """Fit a model to half of the good clips, and calibrate it on the other half.

    Args:
        entries: Good clips.
        folder: A folder that is new or empty.
        settings: How streams are watched.
        asked: Whether its horizon was asked for; otherwise it is the longest that most tracks
            allow.
        seed: Decides the futures.
        say: Takes lines for people.

    Raises:
        ClipError: If too little can be followed.
        ModelError: If the folder is not free.
    """
    check_free(folder)
    began = time.perf_counter()
    to_fit, to_calibrate = divided(entries, say)
    chosen = settings
    backbone = LayersBackbone(LayersConfig())
    say(f"fitting to {len(to_fit)} good clips, {len(to_calibrate)} others calibrate")
    scored = _watched(
        to_fit, lambda: FollowedSight(backbone, chosen), None, chosen, None, seed, say
    )
    tracks = [torch.from_numpy(track) for one in scored for track in one.tracks]
    chosen = chosen if asked else _with_horizon(chosen, tracks)
    length = chosen.past + chosen.future
    usable = [track for track in tracks if len(track) >= length]
    if not usable:
        longest = max((len(track) for track in tracks), default=0)
        raise ClipError(
            f"good clips: expected a part that is followed for past + future = {length} frames, "
            f"the longest has {longest}; lower --past and --future, or use other clips"
        )
    predictor = KeypointPredictor(FORECASTER, usable[0].shape[1], {"horizon": chosen.future})
    predictor.fit(usable, chosen.past, chosen.future, seed=seed)
    pace = Pace.fitted([pace for one in scored for pace in one.paces])
    read = ClipSettings(size=chosen.side, fit="keep")
    plates = [(one.name, one.plate) for one in scored if one.plate is not None]
    backbone = LayersBackbone.knowing(plates)
    card = Card(
        settings=TrainSettings(
            clips=read,
            backbone=Choice(name=BACKBONE),
            forecaster=Choice(name=FORECASTER, config={"horizon": chosen.future}),
            forecast=ForecastTraining(past=chosen.past, future=chosen.future),
            seed=seed,
        ),
        clips={piece.entry.name: clip_id(piece.entry, read) for piece in to_fit},
        seconds=round(time.perf_counter() - began, 1),
        versions=Versions.installed(),
    )
    fitted = _calibrated(
        to_calibrate,
        lambda: FollowedSight(backbone, chosen),
        lambda piece: predictor,
        chosen,
        pace,
        seed,
        say,
    )
    save_model(folder, backbone, predictor, card)
    fitted.calibration.write(folder)
    return replace(fitted, learnt=to_fit)


def calibrate_watch(
    entries: Sequence[ClipEntry], folder: Path, settings: WatchSettings, seed: int, say: Say
) -> Fitted:
    """Calibrate a model on good clips that it has not seen.

    A clip that the model was fitted to is scored by the forecaster that has not seen it, where the
    model holds one, and left out otherwise. Half of the clips says how fast good parts move.

    Args:
        entries: Good clips.
        folder: A model folder; `watch.json` is written into it.
        settings: Everything but past and future, which are the model's.
        seed: Decides the futures.
        say: Takes lines for people.

    Raises:
        ClipError: If too little can be followed, or no clip is unseen.
        ModelError: If the model ships with flawcast, or cannot be read.
    """
    if folder.is_relative_to(SHIPPED):
        raise ModelError(
            f"model {folder.name}: expected a folder of yours, this one ships with flawcast; copy "
            f"{folder} and calibrate the copy, or fit one: flawcast watch --fit CLIPS --model OUT"
        )
    model, card = load_model(folder), read_card(folder)
    forecast, read = card.settings.forecast, card.settings.clips
    chosen = settings.model_copy(update={"past": forecast.past, "future": forecast.future})
    if isinstance(model.backbone, LayersBackbone):
        chosen = chosen.model_copy(update={"side": min(chosen.side, read.size)})
    known = set(card.clips.values())
    ids = {entry.path: clip_id(entry, read) for entry in entries}
    unseen = [
        entry for entry in entries if ids[entry.path] not in known or ids[entry.path] in model.folds
    ]
    if not unseen:
        raise ClipError(
            f"good clips: expected some that {folder} was not fitted to, got none; name other clips"
        )
    if len(unseen) < len(entries):
        say(f"{len(entries) - len(unseen)} clips are left out: the model was fitted to them")
    to_pace, to_calibrate = divided(unseen, say)
    watched = _watched(to_pace, lambda: sight_of(model, chosen), None, chosen, None, seed, say)
    pace = Pace.fitted([pace for one in watched for pace in one.paces])
    fitted = _calibrated(
        to_calibrate,
        lambda: sight_of(model, chosen),
        lambda piece: model.predictor_for(ids[piece.entry.path]),
        chosen,
        pace,
        seed,
        say,
    )
    fitted.calibration.write(folder)
    return fitted


def _watched(
    pieces: Sequence[Piece],
    sight: Callable[[], Sight],
    predictor: Callable[[Piece], KeypointPredictor] | None,
    settings: WatchSettings,
    pace: Pace | None,
    seed: int,
    say: Say,
) -> list[Scored]:
    """Watch good clips; one that cannot be watched is left out with a line.

    Raises:
        ClipError: If none can.
    """
    scored = []
    reason = ""
    for piece in pieces:
        of_piece = None if predictor is None else predictor(piece)
        watcher = Watcher(sight(), of_piece, settings, pace=pace, seed=seed)
        try:
            stream = ClipStream(piece.entry)
            frames = islice(stream.frames(), piece.first, piece.last)
            one = score_stream(frames, stream.fps, piece.name, watcher)
        except ClipError as error:
            reason = str(error)
            reason = reason if piece.entry.name in reason else f"{piece.name}: {reason}"
            say(f"not watched: {reason}")
            continue
        if not one.followed.any():
            reason = f"{piece.name}: no part of it could be followed"
            say(f"not watched: {reason}")
            continue
        scored.append(one)
    if not scored:
        raise ClipError(
            f"good clips: expected one in which a part can be followed, found none in "
            f"{len(pieces)}, for instance {reason}"
        )
    return scored


def _calibrated(
    pieces: Sequence[Piece],
    sight: Callable[[], Sight],
    predictor: Callable[[Piece], KeypointPredictor],
    settings: WatchSettings,
    pace: Pace | None,
    seed: int,
    say: Say,
) -> Fitted:
    """What good clips that fitted nothing show."""
    scored = _watched(pieces, sight, predictor, settings, pace, seed, say)
    gathered = {kind: np.concatenate([one.kinds[kind] for one in scored]) for kind in KINDS}
    tails = fitted_tails(gathered)
    read = ClipSettings(size=settings.side, fit="keep")
    draft = Calibration(
        settings=settings,
        pace=pace,
        tails=stored(tails),
        level=0.0,
        peaks=(),
        hours=0.0,
        clips={piece.name: clip_id(piece.entry, read) for piece in pieces},
    )
    scores = [fused(one.kinds, draft)[settings.past :] for one in scored]
    kept = [index for index, one in enumerate(scores) if len(one)]
    peaks = Peaks.of(
        [scores[index] for index in kept],
        [scored[index].fps for index in kept],
        settings.quiet_seconds,
    )
    known = {"level": peaks.level, "peaks": peaks.heights, "hours": peaks.hours}
    return Fitted(draft.model_copy(update=known), tuple(scored), tuple(pieces))


def _with_horizon(settings: WatchSettings, tracks: Sequence[torch.Tensor]) -> WatchSettings:
    """The longest horizon that leaves most tracks."""
    for past, future in HORIZONS:
        enough = sum(len(track) >= past + future for track in tracks)
        if enough >= FEWEST_TRACKS * max(1, len(tracks)):
            break
    return settings.model_copy(update={"past": past, "future": future})


def load_watch(folder: Path) -> tuple[Model, Calibration]:
    """A model and its calibration.

    Raises:
        ModelError: If either is absent or cannot be read.
    """
    model, calibration = load_model(folder), read_calibration(folder)
    horizon = model.card.settings.forecast
    settings = calibration.settings
    if (horizon.past, horizon.future) != (settings.past, settings.future):
        raise ModelError(
            f"model {folder}: {FILE} is of another model (past {settings.past}, future "
            f"{settings.future}); calibrate it again"
        )
    return model, calibration
