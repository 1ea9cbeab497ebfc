"""All benchmarks of a machine: raw tables in a folder of its type, and one table of all types."""

import json
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from flawcast.configs.errors import FlawcastError, MissingExtraError, SettingsError, one_line
from flawcast.flows.benchmarks.base import (
    BENCHMARKS,
    BenchmarkRequest,
    OnDone,
    Report,
    subjects_of_all,
)
from flawcast.flows.benchmarks.timing import processor
from flawcast.flows.markdown import markdown_table

FACTS, HEADLINES = "machine.json", "headlines.md"
KINDS = (("amx", "amx_tile"), ("avx512", "avx512f"), ("avx2", "avx2"))  # the best comes first
LEFT_OUT = "left out"

Counting = Callable[[str], AbstractContextManager[OnDone]]


@dataclass(frozen=True)
class Machine:
    """What figures depend on.

    Args:
        name: Short name of its type, for a folder: processor and what it knows.
        facts: What it is in detail, as plain values.
    """

    name: str
    facts: Mapping[str, Any]

    @staticmethod
    def here() -> "Machine":
        """This machine."""
        model, flags = processor()
        known = next((kind for kind, flag in KINDS if flag in flags), platform.machine())
        parts = [model, known]
        facts: dict[str, Any] = {
            "processor": model,
            "flags": sorted(flags & INTERESTING),
            "cores": os.cpu_count(),
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
        if torch.cuda.is_available():
            facts["gpu"] = torch.cuda.get_device_name()
            parts.append(facts["gpu"])
        return Machine(_slug(" ".join(parts)), facts)


INTERESTING = frozenset(
    (
        *("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni"),
        *("amx_tile", "amx_int8", "amx_bf16"),
    )
)


def measure_all(
    request: BenchmarkRequest,
    counting: Counting,
    on_report: Callable[[str, Report], None],
) -> dict[str, str]:
    """Measure every subject; one that cannot be measured here does not stop the others.

    Args:
        request: What each is asked.
        counting: Shows how much of a subject is done.
        on_report: Called with each subject and its table.

    Returns:
        Why subjects were left out.

    Raises:
        FlawcastError: If a subject failed though everything that it needs is here; the others are
            measured first.
    """
    left_out: dict[str, str] = {}
    failed: dict[str, FlawcastError] = {}
    for name in subjects_of_all():
        try:
            with counting(name) as on_done:
                report = BENCHMARKS[name](request, on_done)
        except (MissingExtraError, SettingsError) as error:
            left_out[name] = one_line(error)
        except FlawcastError as error:
            failed[name] = error
        else:
            on_report(name, report)
    if failed:
        name, first = next(iter(failed.items()))
        raise FlawcastError(f"{name}: {first}") from first
    return left_out


def write_report(folder: Path, name: str, report: Report) -> None:
    """Write a subject's table as JSON and as a page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(report.to_json(), indent=2) + "\n")
    (folder / f"{name}.md").write_text(report.markdown())


def write_headlines(folder: Path, machine: Machine, left_out: Mapping[str, str]) -> Path:
    """Write what this machine is, and the table of all machines whose tables are in a folder.

    Args:
        folder: Holds a folder for each type of machine.
        machine: This one.
        left_out: Subjects without a table, and why.
    """
    here = folder / machine.name
    here.mkdir(parents=True, exist_ok=True)
    facts = {**machine.facts, LEFT_OUT: dict(left_out)}
    (here / FACTS).write_text(json.dumps(facts, indent=2) + "\n")
    path = folder / HEADLINES
    path.write_text(headlines(folder))
    return path


def headlines(folder: Path) -> str:
    """One row for each headline, one column for each type of machine."""
    types = sorted(path.parent for path in folder.glob(f"*/{FACTS}"))
    found = {path.name: _headlines_of(path) for path in types}
    names = list(dict.fromkeys(name for figures in found.values() for name in figures))
    cells = [
        [name, *(_shown(figures.get(name)) for figures in found.values())] for name in sorted(names)
    ]
    lines = [*markdown_table(["headline", *found], cells), ""]
    for path in types:
        facts = json.loads((path / FACTS).read_text())
        said = f"{facts['processor']}, {facts['cores']} cores, torch {facts['torch']}, Python"
        flags = ", ".join(facts["flags"]) or "no known extensions"
        gpu = f", {facts['gpu']}" if "gpu" in facts else ""
        lines.append(f"- `{path.name}`: {said} {facts['python']} ({flags}){gpu}")
        lines += [f"  - without {name}: {why}" for name, why in facts[LEFT_OUT].items()]
    return "\n".join(lines) + "\n"


def _headlines_of(folder: Path) -> dict[str, float]:
    """The headlines of the tables of one type of machine."""
    found: dict[str, float] = {}
    for path in sorted(folder.glob("*.json")):
        if path.name != FACTS:
            values = json.loads(path.read_text())
            said = values.get("headlines") or _of_rows(values["rows"])
            found |= {f"{path.stem}: {name}": value for name, value in said.items()}
    return found


def _of_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """How many times as fast our ways are as the first way."""
    found = {}
    for row in rows:
        way = str(row.get("way", ""))
        if way.startswith("ours") and "times as fast" in row:
            mode = f"{row['mode']}, " if "mode" in row else ""
            found[f"{mode}{way}, times as fast"] = float(row["times as fast"])
    return found


def _shown(value: float | None) -> str:
    """A figure with three digits."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _slug(text: str) -> str:
    """Words of lower-case letters and digits, for a folder."""
    text = re.sub(r"\((r|tm)\)|processor|\bcpu\b|@.*?ghz", " ", text.lower())
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-")
