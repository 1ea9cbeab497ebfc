"""Shared by all commands: the application, common options, consoles and error messages."""

import functools
import inspect
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from typer.core import TyperGroup

from flawcast.configs.clip_settings import Mosaic
from flawcast.configs.errors import one_line
from flawcast.configs.settings import Precision
from flawcast.flows.running import ending, logs

if TYPE_CHECKING:  # imported where they are used: `flawcast query` needs neither torch nor Ray
    from flawcast.flows.generate.summary import RunSummary
    from flawcast.flows.running.display import Display


Command = TypeVar("Command", bound=Callable[..., Any])
LOGGED = (  # commands that work for long
    *("animate", "augment", "benchmark", "demo", "evaluate", "export", "fit", "generate"),
    *("regenerate", "report", "schedule", "train", "uplift", "uplift-images"),
)


class Commands(TyperGroup):
    """The group of all commands; it leaves an interruption to `main`, which ends the process."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            fail(ending.LINE, ending.INTERRUPTED)


LogJsonOption = Annotated[
    str | None,
    typer.Option(
        envvar=logs.VARIABLE,
        metavar="FILE",
        help="Log as JSON lines to this file; - for standard error, which then has nothing else.",
    ),
]


class Application(typer.Typer):
    """All commands; those that work for long have `--log-json`."""

    def command(self, name: str | None = None, **values: Any) -> Callable[[Command], Command]:
        """Register a command, as `typer.Typer.command` does."""
        register = super().command(name, **values)

        def add(function: Command) -> Command:
            called = name or function.__name__.replace("_", "-")
            register(_logged(function) if called in LOGGED else function)
            return function

        return add


def _logged(function: Callable[..., None]) -> Callable[..., None]:
    """The same command with an option more, which counts before the command begins."""

    @functools.wraps(function)
    def command(*, log_json: str | None, **values: Any) -> None:
        logs.write_to(log_json)
        function(**values)

    whole = inspect.signature(function)
    option = inspect.Parameter(
        "log_json", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=LogJsonOption
    )
    parameters = [*whole.parameters.values(), option]
    command.__signature__ = whole.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {**function.__annotations__, "log_json": LogJsonOption}
    return command


app = Application(
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
MosaicOption = Annotated[
    Mosaic | None,
    typer.Option(
        help="Order of the colours in raw pictures of a colour camera; what a folder's or file's "
        "name says, such as BayerRG8, if not given."
    ),
]
PastOption = Annotated[
    str | None,
    typer.Option(
        metavar="FRAMES|TIME",
        help="Past of a window: frames, or a time such as 0.5s; as trained, or as the preset has "
        "it, if not given.",
    ),
]
FutureOption = Annotated[
    str | None,
    typer.Option(metavar="FRAMES|TIME", help="Future of a window: frames, or a time such as 1s."),
]
TagOption = Annotated[
    str | None, typer.Option(help="Only the sets and reviews of this tag; see `flawcast tags`.")
]
MetricsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write metrics of the store for Prometheus, as node_exporter reads them.",
    ),
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
    line = one_line(message, limit=None)
    logs.log(line, logging.ERROR)
    with suppress(OSError):  # the terminal may be gone
        if not logs.has_standard_error():
            typer.echo(f"flawcast: {line}", err=True)
    sys.exit(code)


def console() -> Console:
    """The console for results; a pipe has no width of its own."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def display(quiet: bool) -> "Display":
    """The console for progress: standard error, so that results can be piped."""
    from flawcast.flows.running.display import Display

    quiet = quiet or logs.has_standard_error()
    return Display.silent() if quiet else Display(Console(stderr=True))


def report(summary: "RunSummary", as_json: bool) -> None:
    """Print the summary of a run."""
    from flawcast.flows.generate.summary import print_summary

    if as_json:
        typer.echo(json.dumps(summary.to_json()))
    else:
        print_summary(summary, console())
