"""`flawcast regenerate`: make one sample again from its row."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flawcast.flows.commands.base import (
    DeviceOption,
    JsonFlag,
    app,
)

StoreArgument = Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")]


@app.command(epilog="Example: flawcast regenerate demo/store SET_ID")
def regenerate(
    store: StoreArgument,
    sample_id: Annotated[str, typer.Argument(help="As `query --rows samples` shows it.")],
    model: Annotated[
        str | None, typer.Option(help="Model folder; the one that the run used if not given.")
    ] = None,
    clips: Annotated[
        Path | None, typer.Option(help="Folder of clips; the one that the run used if not given.")
    ] = None,
    sources: Annotated[
        Path | None, typer.Option(help="Folder of sources; the one that the run used if not given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Video to write as well: .mp4, .mkv (lossless) or .gif.")
    ] = None,
    bank: Annotated[
        Path | None,
        typer.Option(help="Bank of its defect; the one that the run used if not given."),
    ] = None,
    where: Annotated[
        Path | None,
        typer.Option(help="Region of its defect; the one that the run used if not given."),
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Make one kept sample again from its row, and check whether the bytes are equal."""
    from flawcast.flows.generate.regenerate import regenerate as run

    sample = run(store, sample_id, model, clips, sources, out, device, bank, where)
    if as_json:
        typer.echo(json.dumps(asdict(sample)))
    elif sample.equal:
        typer.echo(f"{sample.sample_id}: made again, all bytes are equal")
    else:
        how = "another machine or library version rounds differently" if sample.close else "too far"
        typer.echo(
            f"{sample.sample_id}: made again, the largest difference of a pixel is "
            f"{sample.largest} of 255; {how}"
        )
    if not sample.equal:
        raise typer.Exit(1)
