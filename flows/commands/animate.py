"""`flawcast animate`: move one picture as a clip moves."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flawcast.configs.settings import Motion
from flawcast.flows.commands.base import (
    DeviceOption,
    JsonFlag,
    PrecisionOption,
    QuietFlag,
    app,
    display,
    interruptible,
)


@app.command(
    epilog="Example: flawcast animate part.png clips/wobble_000.mkv --model demo --out moved.mp4"
)
def animate(
    source: Annotated[Path, typer.Argument(help="Picture, or clip whose first frame is taken.")],
    driving: Annotated[Path, typer.Argument(help="Clip whose motion the source takes on.")],
    model: Annotated[str, typer.Option(help="Model folder, or name of a shipped model.")],
    out: Annotated[Path, typer.Option(help="Video to write: .mp4, .mkv (lossless) or .gif.")],
    motion: Annotated[
        Motion, typer.Option(help="How the motion is carried over; avd for TPS alone.")
    ] = "relative",
    adapt_scale: Annotated[
        bool, typer.Option("--adapt-scale", help="Scale the motion to the source's size.")
    ] = False,
    best_frame: Annotated[
        bool, typer.Option("--best-frame", help="Start from the driving frame nearest in pose.")
    ] = False,
    precision: PrecisionOption = "fp32",
    device: DeviceOption = "auto",
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Make one video: a source picture that moves as a driving clip does."""
    from flawcast.configs.settings import Transfer
    from flawcast.flows.animate import animate as run

    how = Transfer(mode=motion, adapt_movement_scale=adapt_scale)
    with (
        interruptible("nothing was written"),
        display(quiet or as_json).counting("frames") as on_frames,
    ):
        animation = run(
            source,
            driving,
            model,
            out,
            how,
            best_frame=best_frame,
            device=device,
            precision=precision,
            on_frames=on_frames,
        )
    if as_json:
        typer.echo(json.dumps({**asdict(animation), "out": str(animation.out)}))
        return
    started = f", from frame {animation.start}" if best_frame else ""
    typer.echo(f"{animation.out}: {animation.frames} frames{started}")
