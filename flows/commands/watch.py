"""`flawcast watch`: early warning on a stream, from good clips alone."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flawcast.configs.errors import SettingsError
from flawcast.flows.commands.base import (
    JsonFlag,
    QuietFlag,
    SeedOption,
    app,
    console,
    display,
    interruptible,
)

if TYPE_CHECKING:
    from flawcast.flows.evaluation.watch.calibration import WatchSettings
    from flawcast.flows.evaluation.watch.events import Event


@app.command(epilog="Example: flawcast watch camera.mp4 --model line.watch --out watched")
def watch(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[VIDEO|FOLDER|DEVICE]",
            help="A video, a folder of frames or of clips, the number of a camera, an address "
            "(rtsp://...), or - for a video on standard input.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model folder to watch with, to calibrate, or to write.")
    ] = None,
    fit: Annotated[
        Path | None,
        typer.Option(help="Good clips: half fit a new model, the other half calibrates it."),
    ] = None,
    calibrate: Annotated[
        Path | None, typer.Option(help="Good clips that the model has not seen, to calibrate it.")
    ] = None,
    score: Annotated[
        Path | None,
        typer.Option(help="Labelled clips: AUROC, delay and lead at the rate of false alarms."),
    ] = None,
    false_alarms_per_hour: Annotated[
        float, typer.Option(help="False alarms that good footage may raise in an hour.")
    ] = 1.0,
    out: Annotated[
        Path, typer.Option(help="Folder for events (JSON lines, Parquet) and their page.")
    ] = Path("watched"),
    past: Annotated[
        int | None, typer.Option(min=2, help="With --fit: frames that a forecast is made from.")
    ] = None,
    future: Annotated[
        int | None, typer.Option(min=1, help="With --fit: frames that a forecast reaches.")
    ] = None,
    side: Annotated[
        int, typer.Option(min=32, help="Short side of frames at most, for --fit and --calibrate.")
    ] = 240,
    seed: SeedOption = 0,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Tell what no sampled future had expected, while it happens; it learns from good clips alone.

    A clip is scored frame by frame, none is left out. A camera's frames wait for one second at
    most; then the oldest is dropped and counted, and parts are followed across the gap.
    """
    chosen = [source, fit, calibrate, score]
    if model is None or sum(one is not None for one in chosen) != 1:
        raise SettingsError(
            "watch: expected --model and one of a source, --fit, --calibrate and --score; for "
            "instance flawcast watch --fit GOOD_CLIPS --model OUT, then flawcast watch VIDEO "
            "--model OUT"
        )
    if (past is None) != (future is None) or (past is not None and fit is None):
        raise SettingsError("past and future: expected both or neither, with --fit; give both")
    if not false_alarms_per_hour > 0:
        raise SettingsError(
            f"false-alarms-per-hour: expected a rate above 0, got {false_alarms_per_hour:g}; take 1"
        )
    if source is not None:
        _watch(source, model, out, false_alarms_per_hour, seed, quiet, as_json)
    elif score is not None:
        _score(score, model, false_alarms_per_hour, seed, quiet, as_json)
    else:
        settings = _settings(past, future, side)
        _learn(fit, calibrate, model, settings, false_alarms_per_hour, seed, quiet, as_json)


def _settings(past: int | None, future: int | None, side: int) -> "tuple[WatchSettings, bool]":
    """How streams are watched, and whether the horizon was asked for."""
    from flawcast.flows.evaluation.watch.calibration import WatchSettings

    if past is None or future is None:
        return WatchSettings(side=side), False
    return WatchSettings(side=side, past=past, future=future), True


def _learn(
    fit: Path | None,
    calibrate: Path | None,
    model: str,
    settings: "tuple[WatchSettings, bool]",
    per_hour: float,
    seed: int,
    quiet: bool,
    as_json: bool,
) -> None:
    """Fit or calibrate a model."""
    from flawcast.flows.evaluation.watch.fitting import calibrate_watch, fit_watch
    from flawcast.flows.evaluation.watch.good import good_clips
    from flawcast.generators.model import find_model

    say = display(quiet or as_json).say
    with interruptible("nothing is written before all good clips are scored"):
        if fit is not None:
            folder = Path(model)
            fitted = fit_watch(good_clips(fit, say), folder, *settings, seed, say)
        else:
            folder = find_model(model)
            clips = good_clips(calibrate or Path(), say)
            fitted = calibrate_watch(clips, folder, settings[0], seed, say)
        threshold = fitted.calibration.of_good().threshold(per_hour)
    if as_json:
        kinds = sorted(fitted.calibration.tails)
        values = vars(threshold) | {"words": threshold.words(), "kinds": kinds}
        typer.echo(json.dumps({"model": str(folder), "threshold": values}))
    else:
        typer.echo(f"model: {folder}\n{threshold.words()}")


def _watch(
    source: str, model: str, out: Path, per_hour: float, seed: int, quiet: bool, as_json: bool
) -> None:
    """Watch a source."""
    from flawcast.flows.evaluation.watch.run import watch as run
    from flawcast.generators.model import find_model

    def told(event: "Event") -> None:
        if as_json:
            typer.echo(json.dumps(asdict(event)))
        else:
            typer.echo(
                f"{event.stream}: {event.start_seconds:.2f} to {event.end_seconds:.2f} s, "
                f"{event.kind}, score {event.score:.1f} above {event.threshold:.1f}"
            )

    say = display(quiet or as_json).say
    with interruptible(f"events until now are in {out}"):
        summary = run(source, find_model(model), out, per_hour, seed, say, told)
    if as_json:
        typer.echo(json.dumps(summary.to_json()))
    else:
        typer.echo("\n".join(summary.lines()))


def _score(clips: Path, model: str, per_hour: float, seed: int, quiet: bool, as_json: bool) -> None:
    """Score labelled clips."""
    from flawcast.flows.evaluation.watch.labelled import score_labelled
    from flawcast.generators.model import find_model

    say = display(quiet or as_json).say
    with interruptible("no figure is written before all clips are scored"):
        report = score_labelled(clips, find_model(model), per_hour, seed, say)
    if as_json:
        typer.echo(json.dumps(report.to_json()))
    else:
        report.show(console())
