"""The whole job on the built-in lines: draw clips, generate with and without a model, report."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import Field

from flawcast.configs.settings import Settings
from flawcast.flows.generate.request import request_from_options
from flawcast.flows.generate.run import generate
from flawcast.flows.generate.summary import RunSummary
from flawcast.flows.report import write_report
from flawcast.flows.running.display import Display
from flawcast.generators.line.clips import PLAIN, TEXTURED, LineClip, draw_line, write_line
from flawcast.generators.model import shipped_model

LINE_SEED = 1000  # no clip of the training line (see the demo preset) has it


TEXTURED_STATES = ("normal", "jam", "slip", "wobble")
TEXTURED_FRAMES, TEXTURED_HALF = 30, 12  # parts are whole in view after 12 frames
TEXTURED_SAMPLES, TEXTURED_KEEP = 40, 10  # at most: its frames are 37 times as large


class DemoRequest(Settings):
    """How much of the built-in lines to draw and to sample.

    Args:
        out: Folder for all that is made.
        clips_per_state: Clips of the plain line, of each state.
        textured: Clips of the textured line, whose states take turns; 0 leaves that line out.
        samples: Futures drawn per set; of the textured line at most `TEXTURED_SAMPLES`.
        keep: Futures kept per set; of the textured line at most `TEXTURED_KEEP`.
        seed: Decides clips and futures.
        workers: As in `GenerateRequest`; None for one per core.
    """

    out: Path
    clips_per_state: int = Field(2, ge=1)
    textured: int = Field(4, ge=0)
    samples: int = Field(100, ge=2)
    keep: int = Field(20, ge=2)
    seed: int = Field(0, ge=0)
    workers: int | None = Field(None, ge=0)


def run_demo(request: DemoRequest, display: Display | None = None) -> dict[str, RunSummary]:
    """Draw clips of the built-in lines, make their sets, and report on each line.

    The sets of the plain line come from the shipped model, which was not trained on these clips.
    Those of the textured line come without a model, from the clips' own parts. A second run finds
    clips and sets and only writes the reports again.

    Args:
        request: The amounts and the folder: `out`/clips, `out`/store and `out`/report.html, and
            the same three in `out`/textured.
        display: Shows progress; None shows nothing.

    Returns:
        What was made, by the look of the line; "textured" is absent if it was left out.
    """
    display = display or Display.silent()
    seed = LINE_SEED + request.seed
    plain = draw_line(request.clips_per_state, seed)
    settings = {"samples": request.samples, "keep": request.keep, "seed": request.seed}
    options: dict[str, Any] = {"model": shipped_model(), "mode": "both", "settings": settings}
    made = {PLAIN: _run_line(request, request.out, plain, options, display)}
    if request.textured:
        rounds = -(-request.textured // len(TEXTURED_STATES))
        line = draw_line(rounds, seed, TEXTURED_FRAMES, states=TEXTURED_STATES, look=TEXTURED)
        settings |= {
            "samples": min(request.samples, TEXTURED_SAMPLES),
            "keep": min(request.keep, TEXTURED_KEEP),
            "past": TEXTURED_HALF,
            "future": TEXTURED_HALF,
        }
        options = {"model": None, "mode": "reconstruction", "windows": 1, "settings": settings}
        folder, clips = request.out / TEXTURED, islice(line, request.textured)
        made[TEXTURED] = _run_line(request, folder, clips, options, display)
    return made


def _run_line(
    request: DemoRequest,
    folder: Path,
    line: Iterable[LineClip],
    options: dict[str, Any],
    display: Display,
) -> RunSummary:
    """Draw the clips of one line, make their sets, and report."""
    clips, store, page = folder / "clips", str(folder / "store"), folder / "report.html"
    with display.reading() as on_clip:
        drawn = [on_clip(clip.name) or clip for clip in line]
    write_line(clips, drawn)
    summary = generate(
        request_from_options(
            clips=clips,
            store=store,
            workers=request.workers,
            **options,
        ),
        display,
    )
    with display.counting("report: sets") as on_set:
        write_report(store, page, on_set=on_set)
    return replace(summary, page=page)
