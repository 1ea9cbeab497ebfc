"""`flawcast import`: make a model from published weights."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flawcast.flows.commands.base import (
    JsonFlag,
    app,
)


@app.command(
    "import",
    epilog="Example: flawcast import vox-256.pth.tar --backbone fomm --config vox-256 --out vox",
)
def import_(
    checkpoint: Annotated[Path, typer.Argument(help="Published file, e.g. vox-256.pth.tar.")],
    backbone: Annotated[str, typer.Option(help="fomm, tps or vid2vid.")],
    config: Annotated[
        str, typer.Option(help="Name of a published configuration, or its YAML file.")
    ],
    out: Annotated[Path, typer.Option(help="Model folder to write; new or empty.")],
    as_json: JsonFlag = False,
) -> None:
    """Turn published weights of a motion model into a model folder; runs no code from the file."""
    from flawcast.flows.train.import_model import import_model

    model = import_model(checkpoint, backbone, config, out)
    weights = sum(value.numel() for value in model.parameters())
    if as_json:
        facts = {"backbone": backbone, "weights": weights, "features": model.layout.length}
        typer.echo(json.dumps({"model": str(out), **facts}))
        return
    typer.echo(f"{out}: {backbone}, {weights / 1e6:.1f} million weights, D = {model.layout.length}")
    typer.echo(f"next: flawcast fit CLIPS --model {out}   (or: flawcast animate)")
