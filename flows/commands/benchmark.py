"""`flawcast benchmark`: measure speed, memory and quality."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flawcast.configs.errors import SettingsError
from flawcast.flows.commands.base import (
    JsonFlag,
    QuietFlag,
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


@app.command(epilog="Example: flawcast benchmark detail CLIPS --out detail")
def benchmark(
    subject: Annotated[
        str | None,
        typer.Argument(
            help="What to measure: render, sample, metrics, store, loader, pipeline, memory, "
            "realtime, scaling (cost, beside alternatives), masks, kept-masks, kept-layers, "
            "budget, detail (real parts at their own size), defects (of looks) or paste-edges "
            "(whether their borders are seen)."
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CLIPS]",
            help="Real clips for store, loader, kept-layers, detail and defects; stills with "
            "masks for paste-edges; else the line.",
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
    clips: Annotated[Path | None, typer.Option(help="The same as CLIPS.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for SUBJECT.json and SUBJECT.md; detail and defects add pictures."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="SVG file to draw curves into; budget has some.")
    ] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure a model or this machine, and print a table."""
    from flawcast.flows.benchmarks import BENCHMARKS, BenchmarkRequest

    if everything == (subject is not None):
        raise SettingsError("subject: expected one subject or --all, got both or neither")
    if folder is not None and clips is not None:
        raise SettingsError(f"clips: expected one folder, got {folder} and {clips}; name one")
    request = BenchmarkRequest(
        model=model,
        clips_per_state=clips_per_state,
        seed=seed,
        samples=samples,
        repeats=repeats,
        clips=folder or clips,
        pictures=out,
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
        values = [report.to_json() for report in reports]
        typer.echo(json.dumps(values[0] if subject is not None else values))
    if plot is not None:
        reports[-1].plot(plot)
