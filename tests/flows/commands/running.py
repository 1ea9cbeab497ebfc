"""Commands as a user types them, run in this process whose imports are done."""

import contextlib
import io
import os
import subprocess
import sys
from unittest import mock

from flawcast.flows.cli import main


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, whose imports are done, as the installed script would."""
    output, errors, code = _Output(), _Output(), 0
    with (
        mock.patch.dict(os.environ),  # as a process of its own, it leaves ours alone
        mock.patch.object(sys, "argv", ["flawcast", *map(str, arguments)]),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(arguments, code, output.text(), errors.text())


class _Output(io.TextIOWrapper):
    """Captures text and bytes written to a standard stream."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        super().__init__(self._bytes, encoding="utf-8", write_through=True)

    def text(self) -> str:
        """What was written."""
        return self._bytes.getvalue().decode()


def mistake(*arguments: object) -> str:
    """Run a command that must fail, and return its one line; what it read may be said before."""
    done = run(*arguments)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    said = done.stderr.strip().splitlines()
    lines = [line for line in said if line.startswith("flawcast: ")]
    assert lines == said[-1:], done.stderr
    return lines[0]
