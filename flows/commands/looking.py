"""Commands that show: report, doctor."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from flows.commands.base import JsonFlag, QuietFlag, app, console, display, interruptible

COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@app.command()
def report(
    store: Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    where: Annotated[
        str | None, typer.Option(help="SQL condition over sets, e.g. \"label = 'jam'\".")
    ] = None,
    most: Annotated[
        int,
        typer.Option("--sets", min=1, help="At most so many sets with their videos; all count."),
    ] = 100,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Write one page about a store: scores, plots, looping clips; opens without a network."""
    from flows.report import write_report

    with (
        interruptible("nothing was written"),
        display(quiet or as_json).counting("sets") as on_set,
    ):
        done = write_report(store, out, where, most, on_set)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
        return
    for line in done.damaged:
        typer.echo(f"flawcast: left out: {line}", err=True)
    typer.echo(f"{done.out}: {done.sets} sets, {done.shown} with videos, {done.bytes / 1e6:.1f} MB")


@app.command()
def doctor(
    services: Annotated[
        bool, typer.Option(help="Start a Prefect server and a Ray worker as well.")
    ] = True,
    as_json: JsonFlag = False,
) -> None:
    """Check the installation and this machine, and say what to fix."""
    from flows.doctor import examine

    findings = []
    for finding in examine(Path(), services):
        findings.append(finding)
        if not as_json:
            table = Table(box=None, show_header=False, pad_edge=False)
            table.add_column(width=12)
            table.add_column(width=8)
            table.add_column(overflow="fold")
            found = f"{finding.found}; {finding.fix}" if finding.fix else finding.found
            table.add_row(finding.name, Text(finding.state, COLOURS[finding.state]), Text(found))
            console().print(table)
    wrong = [finding.name for finding in findings if finding.state == "error"]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        typer.echo(f"to fix: {', '.join(wrong)}" if wrong else "all well")
    if wrong:
        raise typer.Exit(1)
