"""Commands that make videos: demo, generate, animate, schedule."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.base import (
    DeviceOption,
    JsonFlag,
    Mode,
    Motion,
    Precision,
    PrecisionOption,
    QuietFlag,
    SeedOption,
    WorkersOption,
    app,
    display,
    interruptible,
    report,
)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for clips, store and report.")] = Path("demo"),
    clips_per_state: Annotated[int, typer.Option(min=1, help="Clips of each state.")] = 2,
    samples: Annotated[int, typer.Option(min=2, help="Futures drawn per set.")] = 100,
    keep: Annotated[int, typer.Option(min=2, help="Futures kept per set.")] = 20,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Run the whole job on the built-in line, with the shipped model."""
    from flows.demo import DemoRequest, run_demo

    request = DemoRequest(
        out=out,
        clips_per_state=clips_per_state,
        samples=samples,
        keep=keep,
        seed=seed,
        workers=workers,
    )
    with interruptible():
        summary = run_demo(request, display(quiet or as_json))
    report(summary, as_json)
    if not as_json:
        typer.echo(
            f'most diverse sets:  flawcast query {out / "store"} --order-by "apd desc" --limit 5'
        )


@app.command()
def generate(
    clips: Annotated[Path, typer.Argument(help="Folder of clips, or one clip.")],
    model: Annotated[str, typer.Option(help="Model folder, or name of a shipped model.")],
    store: Annotated[str, typer.Option(help="Store to add to; made if absent.")],
    mode: Annotated[Mode, typer.Option(help="Whose frame is animated.")] = Mode.reconstruction,
    sources: Annotated[
        Path | None,
        typer.Option(help="Clips to animate in transfer mode; the same clips if not given."),
    ] = None,
    past: Annotated[
        int | None, typer.Option(min=1, help="Past frames P; as trained if not given.")
    ] = None,
    future: Annotated[
        int | None, typer.Option(min=2, help="Future frames F; as trained if not given.")
    ] = None,
    samples: Annotated[int, typer.Option(min=2, help="Futures drawn per set.")] = 100,
    keep: Annotated[int, typer.Option(min=2, help="Futures kept, lowest MAE first.")] = 20,
    forecaster: Annotated[
        str | None, typer.Option(help="Refuse a model whose forecaster is another one.")
    ] = None,
    temperature: Annotated[float, typer.Option(min=0.01, help="Scale of the base noise.")] = 1.0,
    motion: Annotated[
        Motion, typer.Option(help="How motion is carried over in transfer mode; avd for TPS alone.")
    ] = Motion.relative,
    adapt_scale: Annotated[
        bool, typer.Option("--adapt-scale", help="Scale that motion to the source's size.")
    ] = False,
    windows: Annotated[
        int | None,
        typer.Option(min=1, help="At most so many windows of each clip; all if not given."),
    ] = None,
    masks: Annotated[
        bool, typer.Option("--masks", help="Store masks and their validity beside the videos.")
    ] = False,
    precision: PrecisionOption = Precision.fp32,
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    ray_address: Annotated[
        str | None, typer.Option(help="A running Ray cluster; one is started if not given.")
    ] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Draw, render, score and keep futures of every window of every clip."""
    from flows.generate import generate as run
    from flows.request import request_from_options
    from generators.model import find_model

    request = request_from_options(
        clips=clips,
        model=find_model(model),
        store=store,
        mode=mode.value,
        sources=sources,
        forecaster=forecaster,
        windows=windows,
        masks=masks,
        workers=workers,
        ray_address=ray_address,
        device=device,
        settings={
            "past": past,
            "future": future,
            "samples": samples,
            "keep": keep,
            "temperature": temperature,
            "transfer": {"mode": motion.value, "adapt_movement_scale": adapt_scale},
            "seed": seed,
            "precision": precision.value,
        },
    )
    with interruptible():
        summary = run(request, display(quiet or as_json))
    report(summary, as_json)


@app.command()
def animate(
    source: Annotated[Path, typer.Argument(help="Picture, or clip whose first frame is taken.")],
    driving: Annotated[Path, typer.Argument(help="Clip whose motion the source takes on.")],
    model: Annotated[str, typer.Option(help="Model folder, or name of a shipped model.")],
    out: Annotated[Path, typer.Option(help="Video to write: .mp4, .mkv (lossless) or .gif.")],
    motion: Annotated[
        Motion, typer.Option(help="How the motion is carried over; avd for TPS alone.")
    ] = Motion.relative,
    adapt_scale: Annotated[
        bool, typer.Option("--adapt-scale", help="Scale the motion to the source's size.")
    ] = False,
    best_frame: Annotated[
        bool, typer.Option("--best-frame", help="Start from the driving frame nearest in pose.")
    ] = False,
    precision: PrecisionOption = Precision.fp32,
    device: DeviceOption = "auto",
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Make one video: a source picture that moves as a driving clip does."""
    from configs.settings import Transfer
    from flows.animate import animate as run

    how = Transfer(mode=motion.value, adapt_movement_scale=adapt_scale)
    with (
        interruptible("nothing was written"),
        display(quiet or as_json).counting("frames") as on_frames,
    ):
        made = run(
            source,
            driving,
            model,
            out,
            how,
            best_frame=best_frame,
            device=device,
            precision=precision.value,
            on_frames=on_frames,
        )
    if as_json:
        typer.echo(json.dumps({**asdict(made), "out": str(made.out)}))
        return
    started = f", from frame {made.start}" if best_frame else ""
    typer.echo(f"{made.out}: {made.frames} frames{started}")


@app.command()
def schedule(
    config: Annotated[Path, typer.Argument(help="YAML file: name, request, alarms.")],
    cron: Annotated[str, typer.Option(help='When, as five cron fields: "0 2 * * *".')],
    timezone: Annotated[
        str | None, typer.Option(help="Of the cron fields, e.g. Europe/Berlin; UTC if not given.")
    ] = None,
) -> None:
    """Serve a Prefect deployment that generates on a schedule, until interrupted."""
    from flows.services import log_to_terminal

    log_to_terminal()
    from flows.schedule import read_schedule, serve_schedule

    chosen = read_schedule(config)
    with interruptible("runs under way were stopped; finished sets are in the store"):
        serve_schedule(chosen, cron, timezone, lambda line: typer.echo(line, err=True))
