"""Shared by all commands: the application, common options, consoles and error messages."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from typer.core import TyperGroup

from flawcast.configs.errors import one_line
from flawcast.configs.settings import Precision
from flawcast.flows.running import ending

if TYPE_CHECKING:  # imported where they are used: `flawcast query` needs neither torch nor Ray
    from flawcast.flows.generate.summary import RunSummary
    from flawcast.flows.running.display import Display


class Commands(TyperGroup):
    """The group of all commands; it leaves an interruption to `main`, which ends the process."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            fail(ending.LINE, ending.INTERRUPTED)


app = typer.Typer(
    cls=Commands,
    help="Many plausible, labelled, traceable defect videos from a few real clips.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


PIPE_WIDTH = 140

JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Run seed: same seed, same futures.")]
BackboneOption = Annotated[
    str | None, typer.Option(help="Motion backbone of the preset: fomm, tps, vid2vid or layers.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
PrecisionOption = Annotated[
    Precision,
    typer.Option(help="Precision of rendering: fp32, int8 on CPUs, bf16 or fp16 on GPUs."),
]
TagOption = Annotated[
    str | None, typer.Option(help="Only the sets and reviews of this tag; see `flawcast tags`.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Ray worker processes; one per core if not given. 0 works in this process, without "
        "Prefect and Ray: for debugging, small runs and notebooks.",
    ),
]


@contextmanager
def interruptible(
    next_step: str = "finished sets are in the store, the same command makes the rest",
) -> Iterator[None]:
    """Tell the user after Ctrl-C what happens to the work under way."""
    try:
        yield
    except KeyboardInterrupt:
        fail(f"interrupted; {next_step}", ending.INTERRUPTED)


def fail(message: str, code: int) -> NoReturn:
    """Print one line and exit."""
    if code == ending.INTERRUPTED:
        ending.told()
    with suppress(OSError):  # the terminal may be gone
        typer.echo("flawcast: " + one_line(message, limit=None), err=True)
    sys.exit(code)


def console() -> Console:
    """The console for results; a pipe has no width of its own."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def display(quiet: bool) -> "Display":
    """The console for progress: standard error, so that results can be piped."""
    from flawcast.flows.running.display import Display

    return Display.silent() if quiet else Display(Console(stderr=True))


def report(summary: "RunSummary", as_json: bool) -> None:
    """Print the summary of a run."""
    from flawcast.flows.generate.summary import print_summary

    if as_json:
        typer.echo(json.dumps(summary.to_json()))
    else:
        print_summary(summary, console())
