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
from flows import store_commands
from flows.console import JsonFlag, result_console
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


class Rows(StrEnum):
    """What a row of a query's answer is."""

    sets = "sets"
    samples = "samples"
    runs = "runs"
    rejects = "rejects"


class Format(StrEnum):
    """How a query's answer is printed."""

    table = "table"
    json = "json"
    csv = "csv"
    parquet = "parquet"


QuietFlag = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Run seed: same seed, same futures.")]
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
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Train a model on clips: the motion model, then its keypoints' forecaster."""
    from configs.settings import load_preset
    from flows.train import print_training
    from flows.train import train as run

    changes = {
        "motion.steps": steps,
        "clips.size": size,
        "forecast.past": past,
        "forecast.future": future,
        "seed": seed,
    }
    settings = load_preset(preset).overridden(changes)
    with _interruptible("the same command goes on from the last checkpoint"):
        summary = run(clips, settings, out, _display(quiet or as_json))
    if as_json:
        typer.echo(json.dumps(summary.to_json()))
    else:
        print_training(summary, result_console())


@app.command()
def generate(
    clips: Annotated[Path, typer.Argument(help="Folder of clips, or one clip.")],
    model: Annotated[Path, typer.Option(help="Model folder written by train.")],
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

    request = request_from_options(
        clips=clips,
        model=model,
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
            "seed": seed,
        },
    )
    with _interruptible():
        summary = run(request, _display(quiet or as_json))
    _report(summary, as_json)


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
        Rows, typer.Option(help="One row per sample set, kept sample, run, or rejected clip.")
    ] = Rows.sets,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.table,
    out: Annotated[Path | None, typer.Option(help="File to write instead of printing.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Find sample sets by diversity, error, label or any other column."""
    from flows.answers import write_answer
    from storage import SampleStore

    table = SampleStore.open(store).query(where, order_by, limit, rows.value)
    write_answer(table, Format.json.value if as_json else format.value, out, result_console())


app.add_typer(store_commands.app)


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
        print_summary(summary, result_console())
