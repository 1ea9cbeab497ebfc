"""`flawcast uplift-images`: the same for still pictures."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from flawcast.flows.commands.base import (
    JsonFlag,
    QuietFlag,
    app,
    display,
    fail,
    interruptible,
)


@app.command(epilog="Example: flawcast uplift-images pictures --k 3 --out uplift")
def uplift_images(
    images: Annotated[Path, typer.Argument(help="Pictures, NAME_mask.png beside defective ones.")],
    out: Annotated[Path, typer.Option(help="Folder for results; a run goes on where it stopped.")],
    driving: Annotated[
        Path | None, typer.Option(help="Clips whose motion the pictures take on.")
    ] = None,
    k: Annotated[
        list[int] | None,
        typer.Option(
            "--k",
            min=1,
            help="Instead of --driving: this many defective stills to learn from, and pasted "
            "defects, judged on pretrained features (extra `detectors`).",
        ),
    ] = None,
    good: Annotated[int, typer.Option(min=2, help="With --k: good stills to learn from.")] = 40,
    pasted: Annotated[int, typer.Option(min=1, help="With --k: pictures of each arm.")] = 80,
    model: Annotated[str, typer.Option(help="Model folder, or a shipped model.")] = "line-128",
    number: Annotated[
        str, typer.Option(help="Expression whose group is the number in a picture's name.")
    ] = r"(\d+)",
    gap: Annotated[
        int, typer.Option(min=0, help="Numbers that differ by at most this are one item.")
    ] = 0,
    folds: Annotated[int, typer.Option(min=2, help="Cross-validation folds, by item.")] = 4,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of folds, or of stills.")] = 2,
    copies: Annotated[int, typer.Option(min=1, help="Frames made of each picture.")] = 2,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of every arm.")] = 300,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare mask scorers trained with and without pictures made of real defect pictures."""
    from flawcast.flows.uplift.few import FewRequest, uplift_few
    from flawcast.flows.uplift.images import ImagesRequest, uplift_images

    if (driving is None) == (not k):
        fail("driving: expected --driving CLIPS or --k N, got both or neither; give one", 2)
    shared: dict[str, Any] = {
        "images": images,
        "out": out,
        "number": number,
        "gap": gap,
        "seeds": seeds,
    }
    with (
        interruptible("finished cells are in the folder, the same command goes on"),
        display(quiet or as_json).counting("pictures and cells") as on_done,
    ):
        if k:
            few = FewRequest(**shared, k=tuple(dict.fromkeys(k)), good=good, copies=pasted)
            values = uplift_few(few, on_done)
        else:
            moved = {"driving": driving, "model": model, "folds": folds}
            made = {"copies": copies, "steps": steps}
            values = uplift_images(ImagesRequest(**shared, **moved, **made), on_done)
    typer.echo(json.dumps(values) if as_json else (out / "report.md").read_text())
