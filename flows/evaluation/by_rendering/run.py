"""Forecasters compared by what they render: train what is missing, score test windows, report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.datasets import load_dataset
from flawcast.configs.errors import ClipError, SettingsError
from flawcast.configs.identity import content_id, hash_files
from flawcast.configs.model_card import Card, read_card
from flawcast.configs.settings import GenerateSettings, Settings, validated
from flawcast.flows.evaluation.by_rendering.features import Features
from flawcast.flows.evaluation.by_rendering.pieces import (
    Fitted,
    TrackPiece,
    TrainPiece,
    WindowPiece,
)
from flawcast.flows.evaluation.by_rendering.report import About, write_render_report
from flawcast.flows.evaluation.by_rendering.split import SPEAKER, Split, split_entries
from flawcast.flows.evaluation.candidates import candidates, with_samples_compared
from flawcast.flows.evaluation.fitting import fit_folder, fit_key
from flawcast.flows.evaluation.horizon import Horizon, horizons
from flawcast.flows.evaluation.tables import read_rows
from flawcast.flows.generate.plan import SetPlan, plan_sets
from flawcast.flows.generate.request import usable_cores
from flawcast.flows.generate.seconds import in_frames
from flawcast.flows.running.executor import place_of
from flawcast.flows.running.pieces import Job, OnDone, Stage
from flawcast.generators.backbones.base import BACKBONE_FILE
from flawcast.generators.clips import ClipEntry, Reject, clip_id, list_clips
from flawcast.generators.forecasters.cross_validation import Candidate, sharing_weights
from flawcast.generators.forecasters.training import Recipe
from flawcast.selection.metrics import METRICS

DEFAULT_HORIZONS = (Horizon(past=12, future=12), Horizon(past=6, future=24))


class RenderRequest(Settings):
    """What is compared.

    Args:
        clips: Folder of clips.
        model: Model folder, whose motion model finds keypoints and renders.
        out: Folder for keypoints, fits, cells and report; an interrupted run goes on there.
        dataset: Name or file of a data set's description; it brings horizons.
        horizons: Pasts and futures; None for the data set's, or 12-12 and 6-24.
        modes: "reconstruction", "transfer" or both.
        forecasters: "all", or names with commas between them; `hold` is always among them.
        diverse: Forecasters whose samples are rendered and scored, too.
        metrics: Further registered metrics of those samples, each a column of the report.
        samples: N, the number of futures sampled.
        keep: How many of the closest samples are kept.
        windows: Largest number of windows per test clip, evenly spread; None for all.
        size: Frame size; None for the size that the model was trained at.
        held_out: Share of the groups used for testing if neither file nor folders name them.
        group: See `split.group_of`.
        seed: Seeds training, noise, and the choice of sources and held-out groups.
        recipe: How long and how fast to train.
        features: The features from which distances between sets of videos are computed.
        workers: Ray worker processes; 0 or 1 work in this process, without Prefect and Ray.
        ray_address: A running Ray cluster.
    """

    clips: Path
    model: Path
    out: Path
    dataset: str | None = None
    horizons: tuple[Horizon, ...] | None = None
    modes: tuple[Literal["reconstruction", "transfer"], ...] = ("reconstruction", "transfer")
    forecasters: str = "all"
    diverse: tuple[str, ...] = Field(default_factory=with_samples_compared)
    metrics: tuple[str, ...] = ()
    samples: int = Field(100, ge=2)
    keep: int = Field(20, ge=2)
    windows: int | None = Field(None, ge=1)
    size: int | None = Field(None, ge=16, le=1024)
    held_out: float = Field(0.25, gt=0, lt=1)
    group: str = SPEAKER
    seed: int = Field(0, ge=0)
    recipe: Recipe = Recipe()
    features: Features = Features()
    workers: int = Field(default_factory=usable_cores, ge=0)
    ray_address: str | None = None


@dataclass(frozen=True)
class Planned:
    """All pieces of an evaluation, and the facts for its report.

    Args:
        tracks: Keypoints of training clips.
        trainings: One per horizon and trained forecaster.
        windows: One per test window and mode.
        about: Facts for the report.
    """

    tracks: tuple[TrackPiece, ...]
    trainings: tuple[TrainPiece, ...]
    windows: tuple[WindowPiece, ...]
    about: About


def evaluate_rendering(
    request: RenderRequest,
    on_done: OnDone = lambda stage, done, total: None,
    on_reject: Callable[[Reject], None] = lambda reject: None,
) -> dict[str, Any]:
    """Train what is missing, forecast and render all test windows, and write the report.

    Args:
        request: What is compared.
        on_done: Called with a stage's name, the number of its finished pieces, and of all pieces.
        on_reject: Called for each clip that is left out.

    Returns:
        The report's figures as plain values.

    Raises:
        FlawcastError: If clips, model or settings cannot be used, or a piece failed.
    """
    absolute = {  # for workers in other folders
        "clips": request.clips.absolute(),
        "out": request.out.absolute(),
        "features": request.features.absolute(),
    }
    request = request.model_copy(update=absolute)
    planned = plan_rendering(request, on_reject)
    stages = [
        Stage("keypoints", lambda: [one for one in planned.tracks if not one.path.is_file()]),
        Stage("trainings", lambda: [one for one in planned.trainings if not one.done]),
        Stage("test windows", lambda: [one for one in planned.windows if not one.cell.is_file()]),
    ]
    if any(stage.pieces() for stage in stages):
        place = place_of(request.workers, request.ray_address, fewest=2)
        place.run(Job(stages, request.clips.name, on_done=on_done))
    rows = [row for piece in planned.windows for row in read_rows(piece.cell)]
    return write_render_report(rows, planned.about, request.out, _shown(planned.windows))


def plan_rendering(
    request: RenderRequest, on_reject: Callable[[Reject], None] = lambda reject: None
) -> Planned:
    """List everything that an evaluation does; each clip is read once per horizon.

    Raises:
        FlawcastError: If clips, model or settings cannot be used.
    """
    card = read_card(request.model)
    clips = card.settings.clips.model_copy(update={"size": request.size} if request.size else {})
    motion_id = f"motion-{hash_files([request.model / BACKBONE_FILE])[:16]}"
    dataset = load_dataset(request.dataset) if request.dataset else None
    wanted = request.horizons or (horizons(dataset.horizons) if dataset else DEFAULT_HORIZONS)
    wanted = tuple(in_frames(horizon, request.clips, clips.stride) for horizon in wanted)
    split = split_entries(list_clips(request.clips), request.held_out, request.group, request.seed)
    _check_apart(split, clips)
    compared = candidates(request.forecasters, mean_feedback=False)
    usual = set(with_samples_compared())
    unknown = sorted(set(request.diverse) - {one.name for one in compared} - usual)
    for name in request.metrics:
        METRICS[name]  # refuses an unknown name
    if unknown:
        raise SettingsError(
            f"diverse: expected some of {', '.join(one.name for one in compared)}, got "
            f"{unknown[0]!r}; mend it, or add it to --forecasters"
        )
    tracks: dict[Path, TrackPiece] = {}
    trainings: list[TrainPiece] = []
    windows: list[WindowPiece] = []
    for horizon in wanted:
        settings = _settings(request, horizon)
        plan = plan_sets(
            request.clips, None, request.modes, settings, clips, motion_id, request.windows
        )
        unusable = {reject.name for reject in plan.rejects}
        ours = [
            _track(entry, request, clips, motion_id)
            for entry in split.train
            if entry.name not in unusable
        ]
        tracks |= {piece.path: piece for piece in ours}
        fitted = []
        for members in sharing_weights(compared):
            training = _training(members[0], ours, horizon, request)
            trainings.append(training)
            fitted += [
                Fitted(one, members[0], training.folder, one.name in request.diverse)
                for one in members
            ]
        tested = {entry.name for entry in split.test}
        windows += [
            _window(one, settings, clips, tuple(fitted), request)
            for one in plan.sets
            if one.entry.name in tested
        ]
        for reject in plan.rejects if horizon == wanted[0] else ():
            on_reject(reject)
    _check(windows, tracks, wanted)
    shown = {piece.plan.entry.name for piece in windows}
    about = About(
        clips=request.clips.name,
        model=request.model.name,
        dataset=dataset,
        split=split.how,
        train=len(tracks),
        test=len(shown),
        known=_known([one for one in split.test if one.name in shown], card),
        size=clips.size,
        samples=request.samples,
        keep=request.keep,
        seed=request.seed,
        features=request.features.described_as,
        metrics=request.metrics,
    )
    return Planned(tuple(tracks.values()), tuple(trainings), tuple(windows), about)


def _settings(request: RenderRequest, horizon: Horizon) -> GenerateSettings:
    """What a window of a horizon is made with."""
    values = {
        "samples": request.samples,
        "keep": request.keep,
        "seed": request.seed,
    }
    settings = validated(GenerateSettings, values, "options")
    return settings.model_copy(update=horizon.all_lengths())


def _track(
    entry: ClipEntry, request: RenderRequest, clips: ClipSettings, motion_id: str
) -> TrackPiece:
    """Keypoints of a training clip, named by its bytes, how it is read, and the motion model."""
    name = content_id("track", clip=clip_id(entry, clips), motion=motion_id)
    path = request.out / "keypoints" / f"{name}.safetensors"
    return TrackPiece(entry, clips, request.model.resolve(), path)


def _training(
    candidate: Candidate, tracks: Sequence[TrackPiece], horizon: Horizon, request: RenderRequest
) -> TrainPiece:
    """One forecaster's training at one horizon."""
    paths = tuple(sorted(piece.path for piece in tracks))
    what = {"clips": [path.stem for path in paths]}
    key = fit_key(candidate, what, horizon, request.seed, request.recipe)
    folder = fit_folder(request.out, key)
    return TrainPiece(candidate, paths, horizon, request.seed, request.recipe, folder)


def _window(
    plan: SetPlan,
    settings: GenerateSettings,
    clips: ClipSettings,
    fitted: tuple[Fitted, ...],
    request: RenderRequest,
) -> WindowPiece:
    """One test window in one mode; hashes of everything that decides its files name them."""
    name = content_id(
        "window",
        set=plan.set_id,
        features=request.features.id,
        fitted=[[one.candidate.label, one.folder.name, one.diverse] for one in fitted],
        **({"metrics": request.metrics} if request.metrics else {}),  # without, the name of old
    )
    return WindowPiece(
        plan=plan,
        settings=settings,
        clips=clips,
        model=request.model.resolve(),
        fitted=fitted,
        features=request.features,
        metrics=request.metrics,
        cell=request.out / "cells" / f"{name}.parquet",
        strips=request.out / "strips" / f"{name}.png",
    )


def _check(
    windows: Sequence[WindowPiece], tracks: Mapping[Path, TrackPiece], wanted: Sequence[Horizon]
) -> None:
    """Refuse an evaluation with nothing to train on or to test on."""
    planned = {(piece.settings.past, piece.settings.future) for piece in windows}
    for horizon in wanted:
        if (horizon.past, horizon.future) not in planned or not tracks:
            raise ClipError(
                f"clips: expected training and test clips of at least {horizon.length} frames for "
                f"{horizon}, found too few; leave that horizon out or use longer clips"
            )


def _check_apart(split: Split, clips: ClipSettings) -> None:
    """Refuse a clip that is on both sides under two names."""
    learnt = {clip_id(entry, clips): entry.name for entry in split.train}
    for entry in split.test:
        twin = learnt.get(clip_id(entry, clips))
        if twin is not None:
            raise ClipError(
                f"clips: expected others to train on than to test on, {twin} and {entry.name} hold "
                "the same bytes; remove one"
            )


def _shown(windows: Sequence[WindowPiece]) -> list[Path]:
    """Pictures for the report: one window of each mode and horizon, of different clips."""
    groups: dict[tuple[str, int, int], list[WindowPiece]] = {}
    for piece in windows:
        key = (piece.plan.mode, piece.settings.past, piece.settings.future)
        groups.setdefault(key, []).append(piece)
    return [pieces[number % len(pieces)].strips for number, pieces in enumerate(groups.values())]


def _known(tested: Sequence[ClipEntry], card: Card) -> int:
    """How many test clips the motion model was trained on, as it read them."""
    ids = set(card.learnt_by_motion_model.values())
    return sum(clip_id(entry, card.settings.clips) in ids for entry in tested)
