"""Compare forecasters on keypoints, cross-validated: one piece per fit, one file per candidate."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from flawcast.configs.errors import ModelError, SettingsError
from flawcast.configs.identity import content_id, hash_files
from flawcast.configs.keep import expect_keep
from flawcast.configs.settings import Settings
from flawcast.flows.evaluation.by_rendering.split import SPEAKER, group_of
from flawcast.flows.evaluation.candidates import candidates, parts_of
from flawcast.flows.evaluation.fitting import Fitting, Imported, fit_folder, fit_key
from flawcast.flows.evaluation.horizon import Horizon, without_times
from flawcast.flows.evaluation.on_keypoints.report import write_keypoint_report
from flawcast.flows.evaluation.tables import read_rows, write_rows
from flawcast.flows.generate.request import usable_cores
from flawcast.flows.running.executor import place_of
from flawcast.flows.running.pieces import Job, OnDone, Stage
from flawcast.generators.clips.keypoint_files import KeypointClip, read_keypoint_folder
from flawcast.generators.clips.listing import Reject
from flawcast.generators.forecasters import KeypointPredictor
from flawcast.generators.forecasters.base import FORECASTERS
from flawcast.generators.forecasters.cross_validation import (
    Candidate,
    Fold,
    Track,
    WindowForecast,
    folds,
    forecast_windows,
    sharing_weights,
    used_as,
)
from flawcast.generators.forecasters.training import Recipe
from flawcast.selection.forecast_scores import forecast_scores


class KeypointRequest(Settings):
    """What is compared.

    Args:
        keypoints: Folder of npz files.
        out: Folder for fits, cells and report; an interrupted run goes on there.
        horizons: Pasts and futures.
        forecasters: "all", or names with commas between them; `hold` is always among them.
        seeds: How many trainings of each, with seeds from 0.
        folds: Names of the folds to do, as a report shows them; all if none are named.
        samples: N, the number of futures sampled.
        keep: How many of the closest samples are kept.
        published: Files that the paper's authors publish, by what they are of ("vrnn", "vae"):
            tested beside the others, on keypoints of FOMM with Jacobians.
        recipe: How long and how fast to train.
        group: What in a file's name must not be on both sides of a split: a regular expression,
            whose first group counts where it has one; names without it are groups of their own.
        workers: Ray worker processes; 0 or 1 work in this process, without Prefect and Ray.
        ray_address: A running Ray cluster.
    """

    keypoints: Path
    out: Path
    horizons: tuple[Horizon, ...] = (Horizon(past=12, future=12), Horizon(past=6, future=24))
    forecasters: str = "all"
    seeds: int = Field(3, ge=1)
    folds: tuple[str, ...] = ()
    samples: int = Field(100, ge=2)
    keep: int = Field(20, ge=2)
    published: tuple[tuple[str, Path], ...] = ()
    recipe: Recipe = Recipe()
    group: str = SPEAKER
    workers: int = Field(default_factory=usable_cores, ge=0)
    ray_address: str | None = None


PARTS = ("positions", "all values")
SCORES = 2  # version of a cell's columns


@dataclass(frozen=True)
class FitPiece:
    """One training, and the cells of all candidates that use its weights.

    Args:
        fitting: The training, or weights that need none.
        members: Candidates that share this training and differ only in inference.
        cells: The score file of each member.
        samples: N, the number of futures sampled.
        keep: The number of closest futures kept.
        positions: Indices of the vector's x and y values.
    """

    fitting: Fitting | Imported
    members: tuple[Candidate, ...]
    cells: tuple[Path, ...]
    samples: int
    keep: int
    positions: tuple[int, ...]

    @property
    def title(self) -> str:
        """The candidate, the horizon and the fold, for people."""
        return self.fitting.title

    def work(self) -> None:
        """Fit, or read what was fitted before, and write the cells that are missing."""
        missing = [
            (member, cell)
            for member, cell in zip(self.members, self.cells, strict=True)
            if not cell.is_file()
        ]
        if not missing:
            return
        predictor = self.fitting.predictor()
        for member, cell in missing:
            used = predictor if member is self.members[0] else used_as(predictor, member)
            write_rows(cell, self._rows(used, member))

    def _rows(self, predictor: KeypointPredictor, member: Candidate) -> list[dict[str, Any]]:
        """Scores of all test windows, of positions and of all values."""
        horizon = self.fitting.horizon
        forecasts = forecast_windows(
            predictor,
            member,
            self.fitting.fold,
            horizon.past,
            horizon.future,
            samples=self.samples,
            seed=self.fitting.seed,
        )
        return [row for forecast in forecasts for row in self._window_rows(forecast)]

    def _window_rows(self, forecast: WindowForecast) -> list[dict[str, Any]]:
        """Scores of one window."""
        rows = []
        for part in PARTS:
            values = list(self.positions) if part == "positions" else slice(None)
            samples = forecast.samples[..., values]
            scores = forecast_scores(
                samples,
                forecast.truth[..., values],
                forecast.single[..., values],
                min(self.keep, len(samples)),
            )
            keys = {
                "forecaster": forecast.label,
                "horizon": str(self.fitting.horizon),
                "fold": forecast.fold,
                "seed": forecast.seed,
                "clip": forecast.clip_id,
                "start": forecast.start,
                "part": part,
                "drawn": len(samples),
            }
            rows.append(keys | asdict(scores))
        return rows


def evaluate_keypoints(
    request: KeypointRequest,
    on_done: OnDone = lambda stage, done, total: None,
    on_reject: Callable[[Reject], None] = lambda reject: None,
) -> dict[str, Any]:
    """Fit every forecaster with every seed on every fold, score it, and write the report.

    Args:
        request: What is compared.
        on_done: Called with a stage's name, the number of its finished pieces, and of all pieces.
        on_reject: Called for each file that is left out.

    Returns:
        The report's figures as plain values.

    Raises:
        FlawcastError: If the keypoints or settings cannot be used, or a training failed.
    """
    expect_keep(request.keep, request.samples)
    absolute = {  # for workers in other folders
        "out": request.out.absolute(),
        "published": tuple((name, file.absolute()) for name, file in request.published),
    }
    request = request.model_copy(update=absolute)
    without_times(request.horizons)
    clips = read_keypoint_folder(request.keypoints, on_reject)
    pieces = plan_fits(request, clips)
    stages = [Stage("trainings", lambda: pieces)]
    place = place_of(request.workers, request.ray_address, fewest=2)
    place.run(Job(stages, "keypoints", on_done=on_done))
    rows = [row for piece in pieces for cell in piece.cells for row in read_rows(cell)]
    return write_keypoint_report(rows, request.out, request.samples, request.keep)


def plan_fits(request: KeypointRequest, clips: Sequence[KeypointClip]) -> list[FitPiece]:
    """All trainings of a comparison, horizon by horizon.

    Raises:
        FlawcastError: If the names form fewer than two groups, or a horizon is longer than the
            clips.
    """
    tracks = [Track(clip.name, group_of(clip.name, request.group), clip.series) for clip in clips]
    compared = candidates(request.forecasters)
    pieces = []
    for horizon in request.horizons:
        for seed in range(request.seeds):
            for fold in _wanted(folds(tracks), request.folds):
                _check_length(fold, horizon)
                for members in sharing_weights(compared):
                    if seed == 0 or _draws_or_trains(members[0]):
                        pieces.append(_piece(request, clips, tuple(members), fold, horizon, seed))
                pieces += [
                    _imported(request, clips, name, file, fold, horizon, seed)
                    for name, file in request.published
                    if seed == 0
                ]
    return pieces


def _wanted(available: Sequence[Fold], names: Sequence[str]) -> list[Fold]:
    """Folds by name, or all."""
    known = [fold.name for fold in available]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SettingsError(f"fold: expected one of {', '.join(known)}, got {unknown[0]!r}")
    return [fold for fold in available if not names or fold.name in names]


def _draws_or_trains(candidate: Candidate) -> bool:
    """Whether another seed gives another result."""
    kind = FORECASTERS[candidate.name]
    return kind.trains or kind.stochastic


def _check_length(fold: Fold, horizon: Horizon) -> None:
    """Refuse a horizon that no test window of a fold has."""
    longest = max(len(track.series) for track in fold.test)
    if longest < horizon.length:
        raise SettingsError(
            f"horizons: expected clips of at least {horizon.length} frames for {horizon}, the "
            f"longest of {fold.name} has {longest}; leave that horizon or those clips out"
        )


def _piece(
    request: KeypointRequest,
    clips: Sequence[KeypointClip],
    members: tuple[Candidate, ...],
    fold: Fold,
    horizon: Horizon,
    seed: int,
) -> FitPiece:
    """One training; its files' names are hashes of everything that decides their content."""
    clip_ids = {
        "clips": [clip.id for clip in clips],
        "fold": fold.name,
        "watch": [track.clip_id for track in fold.watch],
    }
    what = fit_key(members[0], clip_ids, horizon, seed, request.recipe)
    sampling = {"samples": request.samples, "keep": request.keep}
    names = [
        content_id("cell", **what, **sampling, scores=SCORES, used={"name": one.name, **one.config})
        for one in members
    ]
    parts = {
        one.name: fit_key(one, clip_ids, horizon, seed, request.recipe)
        for one in parts_of(members[0])
    }
    return FitPiece(
        fitting=Fitting(
            members[0],
            fold,
            horizon,
            seed,
            request.recipe,
            fit_folder(request.out, what),
            tuple((name, fit_folder(request.out, key)) for name, key in parts.items()),
        ),
        members=members,
        cells=tuple(request.out / "cells" / f"{name}.parquet" for name in names),
        samples=request.samples,
        keep=request.keep,
        positions=tuple(clips[0].positions),
    )


def _imported(
    request: KeypointRequest,
    clips: Sequence[KeypointClip],
    name: str,
    file: Path,
    fold: Fold,
    horizon: Horizon,
    seed: int,
) -> FitPiece:
    """Published weights on one fold."""
    if not file.is_file():
        raise ModelError(f"published: expected a file of weights, found none at {file}; name one")
    cell = content_id(
        "cell",
        clips=[clip.id for clip in clips],
        fold=fold.name,
        horizon=str(horizon),
        seed=seed,
        samples=request.samples,
        keep=request.keep,
        scores=SCORES,
        published=[name, hash_files([file])],
    )
    candidate = Candidate(f"{name} (authors' weights)", name, {})
    return FitPiece(
        fitting=Imported(candidate, fold, horizon, seed, file),
        members=(candidate,),
        cells=(request.out / "cells" / f"{cell}.parquet",),
        samples=request.samples,
        keep=request.keep,
        positions=tuple(clips[0].positions),
    )
