"""`flawcast import-labels`: annotations of other programs become labels.csv and masks."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flawcast.flows.commands.base import JsonFlag, app, interruptible


@app.command(
    "import-labels",
    epilog="Example: flawcast import-labels annotations.xml clips --out labelled",
)
def import_labels(
    annotations: Annotated[Path, typer.Argument(help="File of annotations, or a folder of them.")],
    clips: Annotated[Path, typer.Argument(help="Folder of the clips or stills, or one clip.")],
    format: Annotated[
        str | None,
        typer.Option(
            help="coco, yolo, cvat, labelme, label-studio, mvtec or visa; found if not given."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="New folder for labels.csv, masks and the clips (as links); else labels.csv and "
            "masks/ are added to CLIPS."
        ),
    ] = None,
    stills: Annotated[
        bool | None,
        typer.Option(
            "--stills/--frames",
            help="Whether each picture stands for itself, or a folder of pictures is one clip. "
            "Stills for MVTec and VisA, else frames.",
        ),
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(help="Label of the part itself, which is no defect; may be repeated."),
    ] = None,
    boxes: Annotated[
        bool,
        typer.Option(
            "--boxes/--no-boxes", help="Draw boxes as masks; else they give label and onset alone."
        ),
    ] = True,
    normal: Annotated[str, typer.Option(help="Label of what has no annotation.")] = "normal",
    partly: Annotated[
        bool, typer.Option("--partly", help="Leave out annotations of pictures that are not there.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Read labels and masks of COCO, YOLO, CVAT, labelme, Label Studio, MVTec or VisA."""
    from flawcast.generators.clips.annotations.drawing import Drawing
    from flawcast.generators.clips.annotations.importing import import_labels as run

    drawing = Drawing(normal, tuple(part or ()), boxes)
    with interruptible("nothing was written"):
        done = run(annotations, clips, format, out, stills, partly, drawing)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
        return
    typer.echo(
        f"{done.folder}: {done.clips} clips, {done.named} of them in {annotations.name} "
        f"({done.format}), {done.masks} with masks"
    )
    for note in done.notes:
        typer.echo(f"  note: {note}")
    typer.echo(f"see `flawcast inspect {done.folder}`")
