"""`flawcast inspect`: what a folder of clips holds, before anything is made of it."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from flawcast.flows.commands.base import JsonFlag, app


@app.command(epilog="Example: flawcast inspect clips")
def inspect(
    clips: Annotated[Path, typer.Argument(help="Folder of clips, or one clip.")],
    as_json: JsonFlag = False,
) -> None:
    """Say how a folder of clips is understood: labels, splits, sizes, masks, what is left out."""
    from flawcast.flows.inspection import inspect as run
    from flawcast.flows.inspection import to_json

    view, probes, duplicates = run(clips)
    if as_json:
        typer.echo(json.dumps(to_json(view, probes, duplicates)))
        return
    for line in view.lines():
        typer.echo(line)
    for title, values in (
        ("sizes", Counter(f"{probe.width}x{probe.height}" for probe in probes.values())),
        ("frames/s", Counter(f"{probe.fps:g}" for probe in probes.values() if probe.fps)),
        ("bits", Counter(str(probe.bits) for probe in probes.values() if probe.bits)),
    ):
        shown = ", ".join(f"{value} ({count})" for value, count in values.most_common(8))
        typer.echo(f"  {title}: {shown or 'unknown'}")
    for name, probe in probes.items():
        if probe.problem:
            typer.echo(f"  unreadable: {name}: {probe.problem}")
    for names in duplicates:
        typer.echo(f"  the same bytes: {', '.join(names)}")
