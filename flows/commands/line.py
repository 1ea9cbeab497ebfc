"""The command line as a whole: what all subcommands share, and how errors are shown."""

import os
import sys
import traceback
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from flawcast.configs.errors import FlawcastError
from flawcast.configs.extras import extra_of_command, named_if_missing
from flawcast.configs.proxies import spare_loopback
from flawcast.flows.commands.base import app, fail
from flawcast.flows.running import ending
from flawcast.flows.running.services import silence_telemetry

__all__ = ["app", "run"]

VERBOSE = "FLAWCAST_VERBOSE"


@app.callback(invoke_without_command=True)
def common(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", envvar=VERBOSE, help="Show the traceback of an error as well."),
    ] = False,
) -> None:
    """Many plausible, labelled, traceable defect videos from a few real clips."""
    if version:
        typer.echo(installed_version("flawcast"))
        raise typer.Exit
    if verbose:
        os.environ[VERBOSE] = "1"


def run() -> None:
    """Run the command line; an error is one line on standard error, with --verbose a traceback."""
    silence_telemetry()
    spare_loopback(os.environ)
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    try:
        with named_if_missing(command, extra_of_command(command)):
            app()
    except FlawcastError as error:
        _raise_if_interrupted()
        if os.environ.get(VERBOSE):
            traceback.print_exc()
        fail(str(error), 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has left
        sys.exit(141)
    except Exception as error:  # of a library, or ours
        _raise_if_interrupted()
        if os.environ.get(VERBOSE):
            traceback.print_exc()
        fail(
            f"unexpected {type(error).__name__}: {error}; "
            "`flawcast --verbose ...` shows where it came from",
            1,
        )


def _raise_if_interrupted() -> None:
    """An error after a request to end comes from that: libraries wrap the interruption."""
    if ending.was_asked():
        raise KeyboardInterrupt
