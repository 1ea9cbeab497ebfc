"""`flawcast review`: marks from the command line, seen by queries and exports."""

import csv
import json
from pathlib import Path

from flawcast.storage import SampleStore
from tests.flows.commands.running import mistake, run
from tests.storage.examples import sample_set, set_id


def test_marked_samples_can_be_asked_for(tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    store.commit(sample_set(1))
    first, second, third = store.query(rows="samples")["sample_id"].to_pylist()
    done = run("review", store.url, first, second, "--reject", "--note", "two belts")
    assert done.stdout == f"{first}: rejected\n{second}: rejected\n"
    assert run("review", store.url, second, "--clear").stdout == f"{second}: mark taken back\n"
    done = run("review", store.url, third, "--accept", "--reviewer", "Ada", "--json")
    assert json.loads(done.stdout) == {"review": "accepted", "samples": [third]}
    samples = ("query", store.url, "--rows", "samples", "--where", "review != 'rejected'")
    found = json.loads(run(*samples, "--json").stdout)
    assert [row["sample_id"] for row in found] == [second, third]
    assert "accepted" in run(*samples).stdout
    assert "review" in run("query", store.url, "--rows", "reviews").stdout
    (ours,) = json.loads(
        run("query", store.url, "--rows", "reviews", "--where", "note <> ''", "--json").stdout
    )[:1]
    assert (ours["note"], bool(ours["reviewer"])) == ("two belts", True)
    assert "rejected" in run("query", store.url).stdout, "sets count their rejected samples"


def test_notes_are_shown_as_they_are(tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    store.commit(sample_set())
    (sample_id, *_) = store.query(rows="samples")["sample_id"].to_pylist()
    run("review", store.url, sample_id, "--reject", "--note", "see [/tmp/x] and [b]")
    assert "see [/tmp/x] and [b]" in run("query", store.url, "--rows", "reviews").stdout


def test_exports_leave_rejected_samples_out(tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    store.commit(sample_set(1))
    first, *others = store.query(rows="samples")["sample_id"].to_pylist()
    store.review(first, "rejected")
    for name, where, wanted in (
        ("some", "review <> 'rejected'", dict.fromkeys(others, "none")),
        ("all", "true", {first: "rejected", **dict.fromkeys(others, "none")}),
    ):
        asked = ("--format", "frames", "--out", tmp_path / name, "--where", where)
        assert run("export", store.url, *asked, "--quiet").returncode == 0
        with (tmp_path / name / "samples.csv").open() as stream:
            found = {row["sample_id"]: row["review"] for row in csv.DictReader(stream)}
        assert found == wanted
        frames = (tmp_path / name / "frames").rglob("000.png")
        assert {path.parent.name for path in frames} == set(wanted)


def test_mistakes_are_one_line_and_change_nothing(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    sample_id = f"{set_id(1)}-000"
    assert "expected a store, found nothing" in mistake("review", absent, sample_id, "--reject")
    assert not absent.exists()
    store = SampleStore.open(tmp_path / "store", "a")
    store.commit(sample_set(1))
    (kept, *_) = store.query(rows="samples")["sample_id"].to_pylist()
    for marks in ((), ("--accept", "--reject")):
        assert "expected one of --accept, --reject" in mistake("review", store.url, kept, *marks)
    assert "its set did not keep it" in mistake("review", store.url, f"{set_id(1)}-999", "--accept")
    assert "sample id: expected" in mistake("review", store.url, "../x", "--accept")
    assert "note: expected at most" in mistake(
        "review", store.url, kept, "--accept", "--note", "x" * 2000
    )
    assert store.query(rows="reviews").num_rows == 0
