"""Commands that measure: benchmark, uplift."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.base import (
    JsonFlag,
    QuietFlag,
    app,
    console,
    display,
    interruptible,
)


@app.command()
def benchmark(
    subject: Annotated[str, typer.Argument(help="What to measure: masks, kept-masks or budget.")],
    model: Annotated[str, typer.Option(help="Model folder, or a shipped model.")] = "line-128",
    clips_per_state: Annotated[
        int, typer.Option(min=1, help="Clips of the built-in line, of each state.")
    ] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Decides the clips.")] = 77,
    samples: Annotated[
        int, typer.Option(min=10, help="Futures drawn per clip; a fifth of them is kept.")
    ] = 100,
    plot: Annotated[
        Path | None, typer.Option(help="SVG file to draw curves into; budget has some.")
    ] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure a model or this machine, and print a table."""
    from flows.benchmarks import BENCHMARKS, BenchmarkRequest

    request = BenchmarkRequest(
        model=model, clips_per_state=clips_per_state, seed=seed, samples=samples
    )
    measure = BENCHMARKS[subject]
    with (
        interruptible("nothing was written"),
        display(quiet or as_json).counting(subject) as on_done,
    ):
        report = measure(request, on_done)
    if plot is not None:
        report.plot(plot)
    if as_json:
        typer.echo(json.dumps(report.to_json()))
    else:
        report.show(console())


@app.command()
def uplift(
    clips: Annotated[Path, typer.Argument(help="Real clips with train and test in labels.csv.")],
    store: Annotated[str, typer.Option(help="Samples of those clips.")],
    out: Annotated[Path, typer.Option(help="Folder for results; a run goes on where it stopped.")],
    k: Annotated[
        list[int] | None, typer.Option("--k", min=1, help="Real defect clips of each label.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of those clips.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of every arm.")] = 300,
    normal: Annotated[str, typer.Option(help="Label of good clips.")] = "normal",
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare detectors trained with and without samples on real test clips."""
    from flows.uplift import UpliftRequest
    from flows.uplift import uplift as run

    request = UpliftRequest(
        clips=clips,
        store=store,
        out=out,
        k=tuple(k or (1, 3, 5, 10)),
        seeds=seeds,
        steps=steps,
        normal=normal,
    )
    with (
        interruptible("finished cells are in the folder, the same command goes on"),
        display(quiet or as_json).counting("cells") as on_cell,
    ):
        values = run(request, on_cell)
    typer.echo(json.dumps(values) if as_json else (out / "report.md").read_text())
