"""Commands that measure: benchmark, uplift."""

import json
from pathlib import Path
from typing import Annotated

import typer

from configs.errors import SettingsError
from flows.commands.base import (
    JsonFlag,
    QuietFlag,
    WorkersOption,
    app,
    console,
    display,
    interruptible,
)

SPEED = (
    "render",
    "sample",
    "metrics",
    "store",
    "loader",
    "pipeline",
    "memory",
    "realtime",
    "scaling",
)


@app.command()
def benchmark(
    subject: Annotated[
        str | None,
        typer.Argument(
            help="What to measure: render, sample, metrics, store, loader, pipeline, memory, "
            "realtime, scaling (cost, beside alternatives), masks, kept-masks or budget."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All subjects about speed, one after the other.")
    ] = False,
    model: Annotated[str, typer.Option(help="Model folder, or a shipped model.")] = "line-128",
    clips_per_state: Annotated[
        int, typer.Option(min=1, help="Clips of the built-in line, of each state.")
    ] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Decides the clips.")] = 77,
    samples: Annotated[
        int, typer.Option(min=10, help="Futures drawn per clip; a fifth is kept (memory: 20).")
    ] = 100,
    repeats: Annotated[int, typer.Option(min=1, help="How often each way is timed.")] = 5,
    clips: Annotated[
        Path | None, typer.Option(help="Real clips for store and loader; else the built-in line.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for SUBJECT.json and SUBJECT.md.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="SVG file to draw curves into; budget has some.")
    ] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure a model or this machine, and print a table."""
    from flows.benchmarks import BENCHMARKS, BenchmarkRequest

    if everything == (subject is not None):
        raise SettingsError("subject: expected one subject or --all, got both or neither")
    request = BenchmarkRequest(
        model=model,
        clips_per_state=clips_per_state,
        seed=seed,
        samples=samples,
        repeats=repeats,
        clips=clips,
    )
    subjects = SPEED if subject is None else (subject,)
    reports = []
    for name in subjects:
        measure = BENCHMARKS[name]
        with (
            interruptible("what was measured before is written"),
            display(quiet or as_json).counting(name) as on_done,
        ):
            report = measure(request, on_done)
        reports.append(report)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{name}.json").write_text(json.dumps(report.to_json(), indent=2) + "\n")
            (out / f"{name}.md").write_text(report.markdown())
        if not as_json:
            report.show(console())
    if as_json:
        found = [report.to_json() for report in reports]
        typer.echo(json.dumps(found[0] if subject is not None else found))
    if plot is not None:
        reports[-1].plot(plot)


@app.command()
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
        str, typer.Option(help="Model folder, or a shipped model, that makes the samples.")
    ] = "demo",
    line_seed: Annotated[int, typer.Option(min=0, help="Decides the built-in line's clips.")] = 7,
    k: Annotated[
        list[int] | None, typer.Option("--k", min=1, help="Real defect clips of each label.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of those clips.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of every arm.")] = 650,
    arm: Annotated[
        list[str] | None, typer.Option(help="An arm, as the report names it; all if not given.")
    ] = None,
    normal: Annotated[str, typer.Option(help="Label of good clips.")] = "normal",
    validation: Annotated[
        bool,
        typer.Option("--validation", help="Score held-out training clips; read no test clip."),
    ] = False,
    making: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE: share, per_label, drawn, temperature, real_share, epochs."),
    ] = None,
    workers: WorkersOption = None,
    ray_address: Annotated[str | None, typer.Option(help="A running Ray cluster.")] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare detectors trained with and without samples on real test clips."""
    from flows.uplift import uplift as run
    from flows.uplift.options import request_from_options

    request = request_from_options(
        making or [],
        clips=clips,
        store=store,
        out=out,
        model=model,
        line_seed=line_seed,
        k=tuple(k or (1, 3, 5, 10)),
        seeds=seeds,
        steps=steps,
        normal=normal,
        validation=validation,
        ray_address=ray_address,
        **({"arms": tuple(arm)} if arm else {}),
        **({"workers": workers} if workers else {}),
    )
    with interruptible("finished cells are in the folder, the same command goes on"):
        show = display(quiet or as_json)
        with show.stages() as on_done:
            values = run(request, lambda done, total: on_done("clips", done, total), on_done)
    typer.echo(json.dumps(values) if as_json else (out / "report.md").read_text())


@app.command()
def uplift_images(
    images: Annotated[Path, typer.Argument(help="Pictures, NAME_mask.png beside defective ones.")],
    driving: Annotated[Path, typer.Option(help="Clips whose motion the pictures take on.")],
    out: Annotated[Path, typer.Option(help="Folder for results; a run goes on where it stopped.")],
    model: Annotated[str, typer.Option(help="Model folder, or a shipped model.")] = "line-128",
    number: Annotated[
        str, typer.Option(help="Expression whose group is the number in a picture's name.")
    ] = r"(\d+)",
    gap: Annotated[
        int, typer.Option(min=0, help="Numbers at most so far apart are of one item.")
    ] = 0,
    folds: Annotated[int, typer.Option(min=2, help="Of cross-validation by item.")] = 4,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of folds.")] = 2,
    copies: Annotated[int, typer.Option(min=1, help="Frames made of each picture.")] = 2,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of every arm.")] = 300,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare mask scorers trained with and without frames made of real defect pictures."""
    from flows.uplift.images import ImagesRequest
    from flows.uplift.images import uplift_images as run

    request = ImagesRequest(
        images=images,
        driving=driving,
        out=out,
        model=model,
        number=number,
        gap=gap,
        folds=folds,
        seeds=seeds,
        copies=copies,
        steps=steps,
    )
    with (
        interruptible("finished cells are in the folder, the same command goes on"),
        display(quiet or as_json).counting("pictures and cells") as on_done,
    ):
        values = run(request, on_done)
    typer.echo(json.dumps(values) if as_json else (out / "report.md").read_text())
