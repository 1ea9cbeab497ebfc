"""All benchmarks by one command: tables in a folder of the machine's type, one table of ratios."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from flawcast.configs.errors import ClipError, FlawcastError, SettingsError
from flawcast.flows.benchmarks import BenchmarkRequest, Report, suite
from flawcast.flows.benchmarks.base import Measure, OnDone
from flawcast.flows.benchmarks.suite import Machine, headlines, write_headlines, write_report
from tests.flows.commands.running import run

ROWS = (
    {"way": "plain", "times as fast": 1.0},
    {"way": "ours", "times as fast": 12.34},
    {"way": "ours: int8", "times as fast": 250.0},
)


def answering(report: Report | Exception) -> Measure:
    """A benchmark that gives a report, or fails."""

    def measure(request: BenchmarkRequest, on_done: OnDone) -> Report:
        on_done(1, 1)
        if isinstance(report, Exception):
            raise report
        return report

    return measure


def with_subjects(patch: pytest.MonkeyPatch, **subjects: Report | Exception) -> None:
    """Let `--all` have these subjects alone."""
    measures = {name: answering(report) for name, report in subjects.items()}
    patch.setattr(suite, "subjects_of_all", lambda: list(measures))
    patch.setattr(suite, "BENCHMARKS", measures)


def test_tables_are_written_for_this_machine_and_what_cannot_be_measured_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_subjects(
        monkeypatch,
        quick=Report("quick", ROWS),
        other=Report("other", ROWS, headlines={"share of the peak": 0.5}),
        absent=SettingsError("absent: expected a package; install it"),
    )
    done = run("benchmark", "--all", "--repeats", "1", "--out", tmp_path)
    assert "left out: absent: absent: expected a package" in done.stdout
    here = Machine.here()
    names = {path.name for path in (tmp_path / here.name).iterdir()}
    assert names == {"quick.json", "quick.md", "other.json", "other.md", "machine.json"}
    page = (tmp_path / "headlines.md").read_text()
    assert f"| headline | {here.name} |" in page
    assert "| quick: ours, times as fast | 12.3 |" in page
    assert "| quick: ours: int8, times as fast | 250 |" in page
    assert "| other: share of the peak | 0.5 |" in page
    assert "without absent" in page


def test_a_failure_stops_no_other_subject_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_subjects(monkeypatch, broken=ClipError("no clips"), quick=Report("quick", ROWS))
    reports: list[str] = []
    with pytest.raises(FlawcastError, match="broken: no clips"):
        suite.measure_all(
            BenchmarkRequest(),
            lambda name: nullcontext(lambda done, total: None),
            lambda name, report: reports.append(name),
        )
    assert reports == ["quick"]


def test_each_type_of_machine_is_a_column(tmp_path: Path) -> None:
    facts = {"cores": 2, "torch": "2", "python": "3", "flags": ["avx2"], "processor": "EPYC"}
    for name, rows in (("epyc-avx2", ROWS), ("xeon-amx", ROWS[:2])):
        write_report(tmp_path / name, "quick", Report("quick", rows))
        write_headlines(tmp_path, Machine(name, facts), {})
    lines = headlines(tmp_path).splitlines()
    assert lines[0] == "| headline | epyc-avx2 | xeon-amx |"
    assert "| quick: ours: int8, times as fast | 250 |  |" in lines


def test_a_type_is_named_after_the_processor_and_what_it_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flags = {"avx2", "avx512f", "amx_tile", "amx_bf16", "sse"}
    monkeypatch.setattr(suite, "processor", lambda: ("Intel(R) Xeon(R) 8481C CPU @ 2.70GHz", flags))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    here = Machine.here()
    assert here.name == "intel-xeon-8481c-amx"
    assert here.facts["flags"] == ["amx_bf16", "amx_tile", "avx2", "avx512f"]
    assert json.dumps(dict(here.facts))
