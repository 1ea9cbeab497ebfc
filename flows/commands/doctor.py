"""`flawcast doctor`: check the installation and this machine."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from flawcast.flows.commands.base import JsonFlag, app, console

COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@app.command(epilog="Example: flawcast doctor")
def doctor(
    services: Annotated[
        bool, typer.Option(help="Start a Prefect server and a Ray worker as well.")
    ] = True,
    as_json: JsonFlag = False,
) -> None:
    """Check the installation and this machine, and say what to fix."""
    from flawcast.flows.doctor import examine

    findings = []
    for finding in examine(Path(), services):
        findings.append(finding)
        if not as_json:
            table = Table(box=None, show_header=False, pad_edge=False)
            table.add_column(width=12)
            table.add_column(width=8)
            table.add_column(overflow="fold")
            result = f"{finding.found}; {finding.fix}" if finding.fix else finding.found
            table.add_row(finding.name, Text(finding.state, COLOURS[finding.state]), Text(result))
            console().print(table)
    wrong = [finding.name for finding in findings if finding.state == "error"]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        typer.echo(f"to fix: {', '.join(wrong)}" if wrong else "all well")
    if wrong:
        raise typer.Exit(1)
