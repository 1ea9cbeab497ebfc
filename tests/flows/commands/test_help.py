"""Every command's help ends with an example that the command understands."""

import shlex

import pytest
from typer.main import get_command

from flawcast.flows.commands.line import app

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_an_example(name: str) -> None:
    command = COMMANDS[name]
    example = command.epilog.removeprefix("Example: ")
    program, called, *arguments = shlex.split(example)
    assert (program, called) == ("flawcast", name)
    command.make_context(name, arguments)  # options exist, and their values fit
