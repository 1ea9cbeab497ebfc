"""`flawcast export`: write samples for other programs."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flawcast.flows.commands.base import JsonFlag, QuietFlag, TagOption, app, display, interruptible


@app.command(
    epilog="Example: flawcast export store --format coco --out made --where \"label <> 'normal'\""
)
def export(
    store: Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")],
    format: Annotated[
        str,
        typer.Option(
            help="anomalib, coco, croissant, cvat, fiftyone, frames, lerobot, mp4, videofolder, "
            "webdataset, yolo-cls or yolo-seg."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write; it must not exist yet.")],
    where: Annotated[
        str | None, typer.Option(help="SQL condition over samples, e.g. \"label = 'jam'\".")
    ] = None,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Videos keep every bit: FFV1 in .mkv.")
    ] = False,
    normal: Annotated[
        str | None, typer.Option(help='Label of videos without a defect; "normal" if not given.')
    ] = None,
    licence: Annotated[str, typer.Option(help="For the data set's card.")] = "not stated",
    per_shard: Annotated[int, typer.Option(min=1, help="Samples in a WebDataset shard.")] = 100,
    masks: Annotated[bool, typer.Option("--masks", help="Refuse samples without masks.")] = False,
    gate: Annotated[
        Path | None,
        typer.Option(
            help="report.json of `flawcast uplift --validation`: leave out samples that hurt."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Export what the gate leaves out, too.")
    ] = False,
    tag: TagOption = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Write kept samples, masks and a data set card in a format that detectors read."""
    from flawcast.flows.exports import ExportSettings
    from flawcast.flows.exports import export as run

    settings = ExportSettings(
        lossless=lossless,
        licence=licence,
        per_shard=per_shard,
        masks=masks,
        **({} if normal is None else {"normal": normal}),
    )
    with (
        interruptible("nothing was written"),
        display(quiet or as_json).counting("samples") as on_sample,
    ):
        left_out = None if force else gate
        done = run(store, format, out, where, settings, on_sample, left_out, tag)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
    else:
        typer.echo(f"{done.out}: {done.samples} videos as {done.format}, {done.bytes:,} bytes")
        if done.gated:
            typer.echo(f"the gate left out {done.gated} videos of labels whose samples hurt")
