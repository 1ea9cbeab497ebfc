"""Figures of a watch on labelled clips: how well, how early, and at how many false alarms."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ClipError
from flawcast.flows.benchmarks.base import Report, Row
from flawcast.flows.evaluation.watch.baselines import frame_scorers
from flawcast.flows.evaluation.watch.calibration import Calibration
from flawcast.flows.evaluation.watch.fitting import load_watch
from flawcast.flows.evaluation.watch.good import Truth, truth_of
from flawcast.flows.evaluation.watch.scoring import (
    Piece,
    Scored,
    frames_of,
    fused,
    score_stream,
)
from flawcast.flows.evaluation.watch.sights import sight_of
from flawcast.flows.evaluation.watch.watcher import KINDS, Watcher
from flawcast.generators.clips import ClipEntry, clip_id, list_clips
from flawcast.generators.clips.listing import TEST
from flawcast.generators.clips.streams import ClipStream
from flawcast.generators.model import Model
from flawcast.selection.surprise.alarm_rate import Threshold
from flawcast.selection.surprise.early import Early, Watched, early

Floats = NDArray[np.floating]
Say = Callable[[str], None]

WATCH = "watch: all kinds together"
NOTE = (
    "AUROC of frames, and of clips by their highest score. Alarms at {rate:g} per hour by the good "
    "clips: {words}. Delay: from the onset to the first alarm after it. Lead: from that alarm to "
    "the frame that shows most of the defect. Early: an alarm began within a second before the "
    "onset. False alarms: in good clips and before onsets."
)


@dataclass(frozen=True)
class Labelled:
    """A labelled clip that was watched."""

    entry: ClipEntry
    scored: Scored
    truth: Truth

    def with_scores(self, scores: Floats, begun: int) -> Watched:
        """The clip with the scores of some detector."""
        label = self.entry.label
        return Watched(
            self.entry.name,
            label,
            scores,
            self.truth.wrong,
            self.truth.worst,
            self.scored.fps,
            min(begun, len(scores)),
        )


def score_labelled(
    folder: Path, model_folder: Path, per_hour: float, seed: int = 0, say: Say = lambda line: None
) -> Report:
    """Watch labelled clips, and compare with their labels, onsets and masks.

    Only clips of the split test count where there are any, and none that the model knows.

    Raises:
        ClipError: If no clip is left, or none can be watched.
    """
    model, calibration = load_watch(model_folder)
    entries = list_clips(folder, lambda reject: say(f"left out: {reject.name}: {reject.reason}"))
    tested = [entry for entry in entries if entry.split == TEST] or entries
    read = model.card.settings.clips
    known = {*model.card.clips.values(), *calibration.clips.values()}
    unseen = [entry for entry in tested if clip_id(entry, read) not in known]
    if not unseen:
        raise ClipError(
            f"clips: expected some that {model_folder} does not know, all {len(tested)} of "
            f"{folder} fitted or calibrated it; name others"
        )
    threshold = calibration.of_good().threshold(per_hour)
    clips = watch_labelled(unseen, model, calibration, seed, say)
    begun = calibration.settings.past
    whole = [one.with_scores(fused(one.scored.kinds, calibration), begun) for one in clips]
    quiet = calibration.settings.quiet_seconds
    rows = [row_of(WATCH, early(whole, threshold.score, quiet))]
    for kind in calibration.tails:
        alone = [one.with_scores(_filled(one.scored.kinds[kind]), begun) for one in clips]
        figures = early(alone, np.inf, quiet)
        rows.append(row_of(f"{kind} alone", figures, with_alarms=False))
    for name, scorer in frame_scorers(calibration.settings).items():
        alone = [
            one.with_scores(scorer(frames_of(Piece(one.entry), calibration.settings.side)), begun)
            for one in clips
        ]
        rows.append(row_of(name, early(alone, np.inf, quiet), with_alarms=False))
    by_label = labels_of(whole, threshold, quiet) if len({one.label for one in whole}) > 1 else []
    return Report(
        f"watch: {len(clips)} clips of {folder.name}",
        (*rows, *by_label),
        NOTE.format(rate=per_hour, words=threshold.words()),
    )


def watch_labelled(
    entries: Sequence[ClipEntry], model: Model, calibration: Calibration, seed: int, say: Say
) -> list[Labelled]:
    """Watch clips of which the truth is known; one that cannot be watched is left out with a line.

    Raises:
        ClipError: If none can.
    """
    done: list[Labelled] = []
    reason = ""
    for entry in entries:
        settings = calibration.settings
        sight = sight_of(model, settings)
        watcher = Watcher(sight, model.predictor, settings, calibration, seed=seed)
        try:
            stream = ClipStream(entry)
            scored = score_stream(stream.frames(), stream.fps, entry.name, watcher)
            truth = truth_of(entry, len(scored.followed))
        except ClipError as error:
            reason = str(error) if entry.name in str(error) else f"{entry.name}: {error}"
            say(f"not watched: {reason}")
            continue
        done.append(Labelled(entry, scored, truth))
    if not done:
        raise ClipError(f"clips: expected one that can be watched, found none: {reason}")
    return done


def labels_of(streams: Sequence[Watched], threshold: Threshold, quiet: float) -> list[Row]:
    """A row for each label, against the good clips."""
    good = [one for one in streams if one.onset is None]
    rows = []
    for label in sorted({one.label for one in streams if one.onset is not None}):
        bad = [one for one in streams if one.label == label and one.onset is not None]
        rows.append(row_of(f"watch, {label}", early([*good, *bad], threshold.score, quiet)))
    return rows


def row_of(name: str, figures: Early, with_alarms: bool = True) -> Row:
    """Figures as a row of a table."""
    row: dict[str, str | float | int] = {
        "detector": name,
        "frame AUROC": _value(figures.frames),
        "clip AUROC": _value(figures.clips),
    }
    if not with_alarms:
        return row | dict.fromkeys(("found", "delay s", "lead s", "early", "false alarms/h"), "-")
    low, high = figures.rate
    return row | {
        "found": f"{figures.detected} of {figures.events}",
        "delay s": _middle(figures.delays),
        "lead s": _middle(figures.leads),
        "early": figures.before,
        "false alarms/h": f"{figures.alarms} in {figures.hours * 60:.2g} min "
        f"({low:.2g} to {high:.2g})",
    }


def kinds_of(clips: Sequence[Labelled], begun: int) -> Mapping[str, list[Watched]]:
    """Each kind of score alone: what a detector of that kind would have said."""
    return {
        kind: [one.with_scores(_filled(one.scored.kinds[kind]), begun) for one in clips]
        for kind in KINDS
    }


def _filled(scores: Floats) -> Floats:
    """Scores with nothing surprising where nothing was followed."""
    return np.nan_to_num(scores, nan=0.0)


def _value(value: float) -> str | float:
    """A figure, or a dash where there is none."""
    return "-" if np.isnan(value) else float(value)


def _middle(values: Sequence[float]) -> str:
    """Median of seconds."""
    return f"{float(np.median(values)):.2f}" if len(values) else "-"
