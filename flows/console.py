"""What all commands share: where results are printed, and the flag that prints them as JSON."""

from typing import Annotated

import typer
from rich.console import Console

PIPE_WIDTH = 140

JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def result_console() -> Console:
    """Where results go; a pipe has no width of its own."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)
