"""`flawcast uplift`: compare detectors trained with and without samples."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flawcast.flows.commands.base import (
    JsonFlag,
    QuietFlag,
    WorkersOption,
    app,
    display,
    interruptible,
)


@app.command(epilog="Example: flawcast uplift line --out uplift")
def uplift(
    clips: Annotated[
        Path,
        typer.Argument(help='Real clips with the splits train and test, or "line".'),
    ],
    out: Annotated[Path, typer.Option(help="Folder for results; a run goes on where it stopped.")],
    store: Annotated[
        str | None, typer.Option(help="Samples of those clips; made afresh if not given.")
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="Model folder, or a shipped model, that makes the samples; own for the clips' own "
            "parts, with nothing trained."
        ),
    ] = "demo",
    line_seed: Annotated[int, typer.Option(min=0, help="Decides the built-in line's clips.")] = 7,
    line_size: Annotated[
        int | None, typer.Option(min=64, help="Width of its frames in pixels; 64 if not given.")
    ] = None,
    k: Annotated[
        list[int] | None, typer.Option("--k", min=1, help="Real defect clips of each label.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of those clips.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of every arm.")] = 650,
    arm: Annotated[
        list[str] | None,
        typer.Option(help="An arm, as the report names it; those of the recipe if not given."),
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(
            help="frames, temporal, memory (extra `detectors`), tiny or tiny-one-class; temporal, "
            "memory and tiny if not given, or the tiny ones without the extra."
        ),
    ] = None,
    normal: Annotated[str, typer.Option(help="Label of good clips.")] = "normal",
    validation: Annotated[
        bool,
        typer.Option(
            "--validation",
            help="Score clips of val, or held-out training clips; read no test clip. The report "
            "says which samples to use: export --gate.",
        ),
    ] = False,
    making: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE: share, per_label, drawn, temperature, epochs, looks, past, future."
        ),
    ] = None,
    workers: WorkersOption = None,
    ray_address: Annotated[str | None, typer.Option(help="A running Ray cluster.")] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare detectors trained with and without samples on real test clips."""
    from flawcast.flows.inspection import show_folder
    from flawcast.flows.uplift import uplift as run
    from flawcast.flows.uplift.options import request_from_options

    request = request_from_options(
        making or [],
        clips=clips,
        store=store,
        out=out,
        model=model,
        line_seed=line_seed,
        line_size=line_size,
        k=tuple(k or (1, 3, 5, 10)),
        seeds=seeds,
        steps=steps,
        normal=normal,
        validation=validation,
        ray_address=ray_address,
        detectors=tuple(detector or ()),
        **({"arms": tuple(arm)} if arm else {}),
        **({} if workers is None else {"workers": workers}),
    )
    with interruptible("finished cells are in the folder, the same command goes on"):
        show = display(quiet or as_json)
        if clips.is_dir():
            show_folder(clips, show, learning=True)
        with show.stages() as on_done:
            values = run(request, lambda done, total: on_done("clips", done, total), on_done)
    typer.echo(json.dumps(values) if as_json else (out / "report.md").read_text())
