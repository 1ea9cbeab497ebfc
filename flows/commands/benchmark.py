"""`flawcast benchmark`: measure speed, memory and quality."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flawcast.configs.errors import SettingsError
from flawcast.flows.commands.base import (
    DeviceOption,
    JsonFlag,
    QuietFlag,
    app,
    console,
    display,
    interruptible,
)


@app.command(epilog="Example: flawcast benchmark detail CLIPS --out detail")
def benchmark(
    subject: Annotated[
        str | None,
        typer.Argument(
            help="What to measure: render, sample, metrics, store, loader, pipeline, memory, "
            "realtime, layers, scaling, bucket (cost, beside alternatives), masks, kept-masks, "
            "kept-layers, budget, detail (real parts at their own size), adapt (a detector, to "
            "each clip), defects (of looks), paste-edges (whether their borders are seen) or watch "
            "(early warning)."
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CLIPS]",
            help="Real clips for store, loader, kept-layers, detail, adapt, defects and watch; "
            "stills with masks for paste-edges; else the line.",
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="All subjects about speed; --out gets a folder for this CPU."),
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
            help="Folder for SUBJECT.json and SUBJECT.md; detail and defects add pictures. "
            "With --all, CPU-TYPE/SUBJECT.json, and headlines.md for all types there."
        ),
    ] = None,
    device: DeviceOption = "cpu",
    plot: Annotated[
        Path | None, typer.Option(help="SVG file to draw curves into; budget has some.")
    ] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure a model or this machine, and print a table."""
    from flawcast.flows.benchmarks import BENCHMARKS, BenchmarkRequest, Report
    from flawcast.flows.benchmarks.suite import (
        Machine,
        measure_all,
        write_headlines,
        write_report,
    )

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
        device=device,
    )
    reports: list[Report] = []
    machine = Machine.here()
    folder_of_tables = None if out is None else out / machine.name if everything else out

    def on_report(name: str, report: Report) -> None:
        reports.append(report)
        if folder_of_tables is not None:
            write_report(folder_of_tables, name, report)
        if not as_json:
            report.show(console())

    with interruptible("what was measured before is written"):
        counting = display(quiet or as_json).counting
        if everything:
            left_out = measure_all(request, counting, on_report)
            for name, reason in left_out.items():
                console().print(f"left out: {name}: {reason}", highlight=False, markup=False)
            if out is not None:
                write_headlines(out, machine, left_out)
        elif subject is not None:
            measure = BENCHMARKS[subject]
            with counting(subject) as on_done:
                report = measure(request, on_done)
            on_report(subject, report)
    if as_json:
        values = [report.to_json() for report in reports]
        typer.echo(json.dumps(values if everything else values[0]))
    if plot is not None:
        reports[-1].plot(plot)
