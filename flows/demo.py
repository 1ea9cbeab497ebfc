"""The whole job on the built-in line: draw clips, generate with the shipped model, report."""

from dataclasses import replace
from pathlib import Path

from pydantic import Field

from flawcast.configs.settings import Settings
from flawcast.flows.generate.request import request_from_options
from flawcast.flows.generate.run import generate
from flawcast.flows.generate.summary import RunSummary
from flawcast.flows.report import write_report
from flawcast.flows.running.display import Display
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.model import shipped_model

LINE_SEED = 1000  # no clip of the training line (see the demo preset) has it


class DemoRequest(Settings):
    """How much of the built-in line to draw and to sample."""

    out: Path
    clips_per_state: int = Field(2, ge=1)
    samples: int = Field(100, ge=2)
    keep: int = Field(20, ge=2)
    seed: int = Field(0, ge=0)
    workers: int | None = Field(None, ge=0)


def run_demo(request: DemoRequest, display: Display | None = None) -> RunSummary:
    """Render clips that the shipped model was not trained on, make their sets, and report.

    A second run finds the clips and the sets and only writes the report again.

    Args:
        request: The amounts and the folder: `out`/clips, `out`/store and `out`/report.html.
        display: Shows progress; None shows nothing.
    """
    display = display or Display.silent()
    clips = request.out / "clips"
    with display.reading() as on_clip:
        line = draw_line(request.clips_per_state, LINE_SEED + request.seed)
        drawn = [on_clip(clip.name) or clip for clip in line]
    write_line(clips, drawn)
    store, page = str(request.out / "store"), request.out / "report.html"
    summary = generate(
        request_from_options(
            clips=clips,
            model=shipped_model(),
            store=store,
            mode="both",
            workers=request.workers,
            settings={"samples": request.samples, "keep": request.keep, "seed": request.seed},
        ),
        display,
    )
    with display.counting("report: sets") as on_set:
        write_report(store, page, on_set=on_set)
    return replace(summary, page=page)
