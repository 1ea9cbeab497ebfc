"""How early a watch warns, on the built-in line or on real clips, beside simple detectors."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ClipError
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row, alone
from flawcast.flows.evaluation.watch.baselines import (
    MemoryBaseline,
    Scorer,
    frame_scorers,
    has_memory,
)
from flawcast.flows.evaluation.watch.calibration import WatchSettings
from flawcast.flows.evaluation.watch.fitting import Fitted, fit_watch
from flawcast.flows.evaluation.watch.good import good_clips
from flawcast.flows.evaluation.watch.labelled import (
    NOTE,
    WATCH,
    kinds_of,
    labels_of,
    row_of,
    watch_labelled,
)
from flawcast.flows.evaluation.watch.scoring import Piece, frames_of, fused
from flawcast.generators.clips import ClipEntry, list_clips
from flawcast.generators.clips.listing import TEST
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.line.looks import LOOKS
from flawcast.generators.line.motion import DEFECTS
from flawcast.generators.model import load_model
from flawcast.selection.surprise.alarm_rate import Peaks
from flawcast.selection.surprise.early import Watched, early

Floats = NDArray[np.floating]

FRAMES = 60  # of a drawn clip, two seconds
SIZES = {"plain": 128, "textured": 240}
GOOD_TO_LEARN, GOOD_TO_TEST = 10, 5  # clips for each clip of a state
PER_HOUR = 1.0


@BENCHMARKS.register("watch")
@alone("its table is about clips")
def watch(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """AUROC, delay and lead at one false alarm per hour, beside simple detectors.

    The built-in lines give good clips to fit, to calibrate and to test, and clips of every defect
    with their onset. Of real clips, those of the split test are scored, and the other good ones fit
    and calibrate; where there is no such split, every third clip is scored. CLIPS may be "plain" or
    "textured" for one of the lines.
    """
    named = request.clips
    if named is not None and (named.exists() or str(named) not in LOOKS):
        learnt, tested = _real(named)
        return _report(request, named.name, learnt, tested, on_done)
    looks = tuple(LOOKS) if named is None else (str(named),)
    reports = []
    for look in looks:
        with tempfile.TemporaryDirectory() as folder:
            good, tested = _drawn(Path(folder), request, look)
            reports.append(_report(request, f"{look} line", good, tested, on_done))
    if len(reports) == 1:
        return reports[0]
    rows = [
        {"line": look, **row} for look, one in zip(looks, reports, strict=True) for row in one.rows
    ]
    notes = [f"{look}: {one.note}" for look, one in zip(looks, reports, strict=True)]
    return Report("watch: built-in lines", tuple(rows), "\n".join(notes))


def _drawn(
    folder: Path, request: BenchmarkRequest, look: str
) -> tuple[list[ClipEntry], list[ClipEntry]]:
    """Good clips of a built-in line, and clips to test."""
    count, size = request.clips_per_state, SIZES[look]
    normal = (GOOD_TO_LEARN + GOOD_TO_TEST) * count
    clips = draw_line(normal, request.seed, FRAMES, size, ("normal",), look)
    good = list_clips(write_line(folder / "good", clips))
    clips = draw_line(count, request.seed + 1, FRAMES, size, tuple(DEFECTS), look)
    bad = list_clips(write_line(folder / "bad", clips))
    learnt = good[: GOOD_TO_LEARN * count]
    return learnt, [*good[GOOD_TO_LEARN * count :], *bad]


def _real(folder: Path) -> tuple[list[ClipEntry], list[ClipEntry]]:
    """Good clips of a folder, and its clips to test."""
    entries = list_clips(folder)
    tested = [entry for entry in entries if entry.split == TEST]
    good = good_clips(folder, lambda line: None)
    if tested:
        return good, tested
    if len(good) < 3:
        raise ClipError(
            f"clips: expected at least 3 good ones in {folder}, got {len(good)}; add some"
        )
    tested = good[2::3]
    bad = [entry for entry in entries if entry not in good]
    return [entry for entry in good if entry not in tested], [*tested, *bad]


def _report(
    request: BenchmarkRequest,
    name: str,
    good: list[ClipEntry],
    tested: list[ClipEntry],
    on_done: OnDone,
) -> Report:
    """Fit, calibrate and score, and the same for each simple detector."""
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        fitted = fit_watch(good, folder, WatchSettings(), False, request.seed, notes.append)
        on_done(1, 4)
        model = load_model(folder)
    calibration, settings = fitted.calibration, fitted.calibration.settings
    clips = watch_labelled(tested, model, calibration, request.seed, notes.append)
    on_done(2, 4)
    threshold = calibration.of_good().threshold(PER_HOUR)
    begun, quiet = settings.past, settings.quiet_seconds
    whole = [one.with_scores(fused(one.scored.kinds, calibration), begun) for one in clips]
    rows = [row_of(WATCH, early(whole, threshold.score, quiet))]
    for kind, streams in kinds_of(clips, begun).items():
        scores = [np.nan_to_num(one.kinds[kind])[begun:] for one in fitted.scored]
        rows.append(_row(f"{kind} alone", scores, fitted, streams))
    on_done(3, 4)
    for title, scorer in _simple(fitted, settings, request.seed).items():
        kept = [piece for piece in fitted.pieces if piece.name in {s.name for s in fitted.scored}]
        good_scores = [scorer(frames_of(piece, settings.side))[begun:] for piece in kept]
        streams = [
            one.with_scores(scorer(frames_of(Piece(one.entry), settings.side)), begun)
            for one in clips
        ]
        rows.append(_row(title, good_scores, fitted, streams))
    on_done(4, 4)
    found = labels_of(whole, threshold, quiet)
    followed = np.concatenate([one.scored.followed > 0 for one in clips]).mean()
    words = f"{threshold.words()}. A part was followed in {followed:.0%} of the frames"
    left_out = sum(note.startswith("not watched") for note in notes)
    if left_out:
        words += f"; {left_out} clips could not be watched"
    title = f"watch: {name}, {len(clips)} clips scored"
    return Report(title, (*rows, *found), NOTE.format(rate=PER_HOUR, words=words))


def _row(title: str, good: list[Floats], fitted: Fitted, streams: Sequence[Watched]) -> Row:
    """A detector at the threshold that its own scores of good clips give."""
    quiet = fitted.calibration.settings.quiet_seconds
    some = [(one, scored.fps) for one, scored in zip(good, fitted.scored, strict=True) if len(one)]
    peaks = Peaks.of([one for one, _ in some], [fps for _, fps in some], quiet)
    threshold = peaks.threshold(PER_HOUR)
    return row_of(title, early(streams, threshold.score, quiet))


def _simple(fitted: Fitted, settings: WatchSettings, seed: int) -> dict[str, Scorer]:
    """The detectors beside it, by name."""
    detectors = frame_scorers(settings)
    if has_memory():
        learnt = (frames_of(piece, settings.side) for piece in fitted.learnt)
        bank = MemoryBaseline(learnt, seed)
        detectors["memory of good features"] = bank.scores
    return detectors
