"""The command `flawcast`: each subcommand parses, calls one function and prints."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from configs.errors import FlawcastError
from flows.services import silence_telemetry

if TYPE_CHECKING:  # imported where they are used: `flawcast query` needs neither torch nor Ray
    from flows.display import Display
    from flows.summary import RunSummary

app = typer.Typer(
    help="Many plausible, labelled, traceable defect videos from a few real clips.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Mode(StrEnum):
    """Which video a source frame is from."""

    reconstruction = "reconstruction"
    transfer = "transfer"
    both = "both"


class Motion(StrEnum):
    """How a driving clip's motion is carried over to a foreign source."""

    relative = "relative"
    absolute = "absolute"
    avd = "avd"


class Rows(StrEnum):
    """What a row of a query's answer is."""

    sets = "sets"
    samples = "samples"


class Format(StrEnum):
    """How a query's answer is printed."""

    table = "table"
    json = "json"
    csv = "csv"
    parquet = "parquet"


PIPE_WIDTH = 140

JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Run seed: same seed, same futures.")]
BackboneOption = Annotated[
    str | None, typer.Option(help="Motion backbone of the preset: fomm, tps or vid2vid.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Ray worker processes; one per core if not given.")
]


@app.callback(invoke_without_command=True)
def flawcast(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Many plausible, labelled, traceable defect videos from a few real clips."""
    if version:
        typer.echo(installed_version("flawcast"))
        raise typer.Exit


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for clips and store.")] = Path("demo"),
    clips_per_state: Annotated[int, typer.Option(min=1, help="Clips of each state.")] = 2,
    samples: Annotated[int, typer.Option(min=2, help="Futures drawn per set.")] = 100,
    keep: Annotated[int, typer.Option(min=2, help="Futures kept per set.")] = 20,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Run the whole job on the built-in line, with the shipped model."""
    from flows.demo import DemoRequest, run_demo

    request = DemoRequest(
        out=out,
        clips_per_state=clips_per_state,
        samples=samples,
        keep=keep,
        seed=seed,
        workers=workers,
    )
    with _interruptible():
        summary = run_demo(request, _display(quiet or as_json))
    _report(summary, as_json)
    if not as_json:
        typer.echo(
            f'most diverse sets:  flawcast query {out / "store"} --order-by "apd desc" --limit 5'
        )


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Model folder to write; new or empty.")],
    clips: Annotated[
        Path | None, typer.Argument(help="Folder of clips; none for a preset's built-in line.")
    ] = None,
    preset: Annotated[str, typer.Option(help="A preset's name or a YAML file.")] = "small",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of the motion model, instead of the preset's.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=16, help="Frame size, instead of the preset's.")
    ] = None,
    past: Annotated[int | None, typer.Option(min=1, help="Past frames per window.")] = None,
    future: Annotated[int | None, typer.Option(min=2, help="Future frames per window.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the preset's seed.")] = None,
    backbone: BackboneOption = None,
    start: Annotated[
        str | None,
        typer.Option(help="Model, or shipped model, whose motion model to train further."),
    ] = None,
    device: DeviceOption = "auto",
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Train a model on clips: the motion model, then its keypoints' forecaster."""
    from configs.preset_files import load_preset
    from flows.train import train as run
    from flows.train_summary import print_training

    changes = {
        "motion.steps": steps,
        "clips.size": size,
        "forecast.past": past,
        "forecast.future": future,
        "seed": seed,
        "start": start,
    }
    settings = load_preset(preset, backbone).overridden(changes)
    with _interruptible("the same command goes on from the last checkpoint"):
        summary = run(clips, settings, out, _display(quiet or as_json), device)
    if as_json:
        typer.echo(json.dumps(summary.to_json()))
    else:
        print_training(summary, _console())


@app.command("import")
def import_(
    checkpoint: Annotated[Path, typer.Argument(help="Published file, e.g. vox-256.pth.tar.")],
    backbone: Annotated[str, typer.Option(help="fomm, tps or vid2vid.")],
    config: Annotated[
        str, typer.Option(help="Name of a published configuration, or its YAML file.")
    ],
    out: Annotated[Path, typer.Option(help="Model folder to write; new or empty.")],
) -> None:
    """Turn published weights of a motion model into a model folder; runs no code from the file."""
    from flows.import_model import import_model

    model = import_model(checkpoint, backbone, config, out)
    size = sum(value.numel() for value in model.parameters()) / 1e6
    typer.echo(f"{out}: {backbone}, {size:.1f} million weights, D = {model.layout.length}")
    typer.echo(f"next: flawcast fit CLIPS --model {out}   (or: flawcast animate)")


@app.command()
def fit(
    model: Annotated[str, typer.Option(help="Model folder, or shipped model, to build on.")],
    clips: Annotated[
        Path | None, typer.Argument(help="Folder of clips; none for a shipped model's line.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Model folder to write; without it the model gets the forecaster."),
    ] = None,
    forecaster: Annotated[str | None, typer.Option(help="Forecaster by name.")] = None,
    past: Annotated[int | None, typer.Option(min=1, help="Past frames per window.")] = None,
    future: Annotated[int | None, typer.Option(min=2, help="Future frames per window.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most so many epochs.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the model's seed.")] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Fit a forecaster to the keypoints that a model, an imported one say, finds in clips."""
    from flows.train import fit as run
    from flows.train_summary import print_training
    from generators.model import find_model

    changes = {
        "forecaster.name": forecaster,
        "forecast.past": past,
        "forecast.future": future,
        "forecast.epochs": epochs,
        "seed": seed,
    }
    with _interruptible("nothing was written"):
        summary = run(clips, find_model(model), changes, out, _display(quiet or as_json))
    if as_json:
        typer.echo(json.dumps(summary.to_json()))
    else:
        print_training(summary, _console())


@app.command()
def animate(
    source: Annotated[Path, typer.Argument(help="Picture, or clip whose first frame is taken.")],
    driving: Annotated[Path, typer.Argument(help="Clip whose motion the source takes on.")],
    model: Annotated[str, typer.Option(help="Model folder, or name of a shipped model.")],
    out: Annotated[Path, typer.Option(help="Video to write: .mp4, .mkv (lossless) or .gif.")],
    motion: Annotated[
        Motion, typer.Option(help="How the motion is carried over; avd for TPS alone.")
    ] = Motion.relative,
    adapt_scale: Annotated[
        bool, typer.Option("--adapt-scale", help="Scale the motion to the source's size.")
    ] = False,
    best_frame: Annotated[
        bool, typer.Option("--best-frame", help="Start from the driving frame nearest in pose.")
    ] = False,
    device: DeviceOption = "auto",
    quiet: QuietFlag = False,
) -> None:
    """Make one video: a source picture that moves as a driving clip does."""
    from configs.settings import Transfer
    from flows.animate import animate as run

    how = Transfer(mode=motion.value, adapt_movement_scale=adapt_scale)
    with _interruptible("nothing was written"), _display(quiet).counting("frames") as on_frames:
        made = run(
            source,
            driving,
            model,
            out,
            how,
            best_frame=best_frame,
            device=device,
            on_frames=on_frames,
        )
    started = f", from frame {made.start}" if best_frame else ""
    typer.echo(f"{made.out}: {made.frames} frames{started}")


@app.command()
def generate(
    clips: Annotated[Path, typer.Argument(help="Folder of clips, or one clip.")],
    model: Annotated[str, typer.Option(help="Model folder, or name of a shipped model.")],
    store: Annotated[str, typer.Option(help="Store to add to; made if absent.")],
    mode: Annotated[Mode, typer.Option(help="Whose frame is animated.")] = Mode.reconstruction,
    sources: Annotated[
        Path | None,
        typer.Option(help="Clips to animate in transfer mode; the same clips if not given."),
    ] = None,
    past: Annotated[
        int | None, typer.Option(min=1, help="Past frames P; as trained if not given.")
    ] = None,
    future: Annotated[
        int | None, typer.Option(min=2, help="Future frames F; as trained if not given.")
    ] = None,
    samples: Annotated[int, typer.Option(min=2, help="Futures drawn per set.")] = 100,
    keep: Annotated[int, typer.Option(min=2, help="Futures kept, lowest MAE first.")] = 20,
    forecaster: Annotated[
        str | None, typer.Option(help="Refuse a model whose forecaster is another one.")
    ] = None,
    temperature: Annotated[float, typer.Option(min=0.01, help="Scale of the base noise.")] = 1.0,
    motion: Annotated[
        Motion, typer.Option(help="How motion is carried over in transfer mode; avd for TPS alone.")
    ] = Motion.relative,
    adapt_scale: Annotated[
        bool, typer.Option("--adapt-scale", help="Scale that motion to the source's size.")
    ] = False,
    windows: Annotated[
        int | None,
        typer.Option(min=1, help="At most so many windows of each clip; all if not given."),
    ] = None,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    ray_address: Annotated[
        str | None, typer.Option(help="A running Ray cluster; one is started if not given.")
    ] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Draw, render, score and keep futures of every window of every clip."""
    from flows.generate import generate as run
    from flows.request import request_from_options
    from generators.model import find_model

    request = request_from_options(
        clips=clips,
        model=find_model(model),
        store=store,
        mode=mode.value,
        sources=sources,
        forecaster=forecaster,
        windows=windows,
        workers=workers,
        ray_address=ray_address,
        settings={
            "past": past,
            "future": future,
            "samples": samples,
            "keep": keep,
            "temperature": temperature,
            "transfer": {"mode": motion.value, "adapt_movement_scale": adapt_scale},
            "seed": seed,
        },
    )
    with _interruptible():
        summary = run(request, _display(quiet or as_json))
    _report(summary, as_json)


@app.command()
def schedule(
    config: Annotated[Path, typer.Argument(help="YAML file: name, request, alarms.")],
    cron: Annotated[str, typer.Option(help='When, as five cron fields: "0 2 * * *".')],
    timezone: Annotated[
        str | None, typer.Option(help="Of the cron fields, e.g. Europe/Berlin; UTC if not given.")
    ] = None,
) -> None:
    """Serve a Prefect deployment that generates on a schedule, until interrupted."""
    from flows.schedule import read_schedule, serve_schedule

    chosen = read_schedule(config)
    typer.echo(f"serving flawcast/{chosen.name} at {cron}; Ctrl-C ends it", err=True)
    with _interruptible("runs under way were stopped; finished sets are in the store"):
        serve_schedule(chosen, cron, timezone)


@app.command()
def query(
    store: Annotated[str, typer.Argument(help="Store.")],
    where: Annotated[
        str | None, typer.Option(help="SQL condition, e.g. \"apd > 0.02 and label = 'jam'\".")
    ] = None,
    order_by: Annotated[
        str | None, typer.Option(help='Column or expression, e.g. apd or "apd desc".')
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many rows.")] = None,
    rows: Annotated[
        Rows, typer.Option(help="One row per sample set, or per kept sample.")
    ] = Rows.sets,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.table,
    out: Annotated[Path | None, typer.Option(help="File to write instead of printing.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Find sample sets by diversity, error, label or any other column."""
    from flows.answers import write_answer
    from storage import SampleStore

    table = SampleStore.open(store).query(where, order_by, limit, rows.value)
    write_answer(table, Format.json.value if as_json else format.value, out, _console())


@app.command()
def verify(
    store: Annotated[str, typer.Argument(help="Store.")],
    as_json: JsonFlag = False,
) -> None:
    """Recompute every checksum and name what is damaged."""
    from storage import SampleStore

    opened = SampleStore.open(store)
    problems = opened.verify()
    if as_json:
        found = [{"set_id": item.set_id, "problem": item.problem} for item in problems]
        typer.echo(json.dumps({"sets": len(opened.set_ids()), "problems": found}))
    else:
        for item in problems:
            typer.echo(f"{item.set_id}: {item.problem}")
        typer.echo(f"{len(opened.set_ids())} sets, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)


@app.command()
def benchmark(
    subject: Annotated[str, typer.Argument(help="What to measure: masks.")],
    model: Annotated[str, typer.Option(help="Model folder, or a shipped model.")] = "line-128",
    clips_per_state: Annotated[
        int, typer.Option(min=1, help="Clips of the built-in line, of each state.")
    ] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Decides the clips.")] = 77,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure a model or this machine, and print a table."""
    from flows.benchmarks import BENCHMARKS, BenchmarkRequest

    request = BenchmarkRequest(model=model, clips_per_state=clips_per_state, seed=seed)
    measure = BENCHMARKS[subject]
    with (
        _interruptible("nothing was written"),
        _display(quiet or as_json).counting(subject) as on_done,
    ):
        report = measure(request, on_done)
    if as_json:
        typer.echo(json.dumps(report.to_json()))
    else:
        report.show(_console())


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error, never a traceback."""
    silence_telemetry()
    try:
        app()
    except FlawcastError as error:
        _fail(str(error), 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has left
        sys.exit(141)


@contextmanager
def _interruptible(
    next_step: str = "finished sets are in the store, the same command makes the rest",
) -> Iterator[None]:
    """Say what Ctrl-C means for the work that was under way."""
    try:
        yield
    except KeyboardInterrupt:
        _fail(f"interrupted; {next_step}", 130)


def _fail(message: str, code: int) -> NoReturn:
    """Print one line and exit."""
    typer.echo("flawcast: " + " ".join(message.split()), err=True)
    sys.exit(code)


def _console() -> Console:
    """Where results go; a pipe has no width of its own."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def _display(quiet: bool) -> "Display":
    """Where progress goes: standard error, so that results can be piped."""
    from flows.display import Display

    return Display.silent() if quiet else Display(Console(stderr=True))


def _report(summary: "RunSummary", as_json: bool) -> None:
    """Print what a run amounts to."""
    from flows.summary import print_summary

    if as_json:
        typer.echo(json.dumps(summary.to_json()))
    else:
        print_summary(summary, _console())
