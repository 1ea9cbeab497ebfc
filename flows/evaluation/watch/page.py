"""The events of a watch as one HTML file that needs no other file."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from flawcast.configs.files import whole_file
from flawcast.flows.evaluation.watch.events import Event
from flawcast.flows.report.page import TEMPLATES as OF_REPORT

TEMPLATES = Path(__file__).with_name("templates")
PAGE = "index.html"
MOST_SHOWN = 200  # events with their pictures
WORDS = {
    "density": "a motion that no future had",
    "energy": "a motion far from most futures",
    "picture": "a part that looks different from before",
    "outline": "something beside a part, or a part that is not where it was followed to",
    "pace": "a speed or size that no good part has",
    "": "several kinds",
}


def write_page(folder: Path, events: Sequence[Event], facts: dict[str, Any]) -> Path:
    """Write the page beside the events; names of streams are escaped.

    Args:
        folder: Folder of the events.
        events: All of them.
        facts: What stands above them, by name.
    """
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    style = Markup((OF_REPORT / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - our own
    highest = sorted(events, key=lambda event: -event.score)[:MOST_SHOWN]
    page = templates.get_template("watch.html.j2").render(
        style=style,
        facts=facts,
        total=len(events),
        events=sorted(highest, key=lambda event: event.number),
        pictures={event.number: _inlined(folder, event) for event in highest},
        words=WORDS,
    )
    path = folder / PAGE
    with whole_file(path) as draft:
        draft.write_text(page, encoding="utf-8")
    return path


def _inlined(folder: Path, event: Event) -> str:
    """An event's strip as an address that holds it; empty without one."""
    if event.strip is None:
        return ""
    data = base64.b64encode((folder / event.strip).read_bytes()).decode()
    return f"data:image/png;base64,{data}"
