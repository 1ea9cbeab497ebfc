"""Rounds by what a detector misses: more of that, and never by clips to test on."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.defect_settings import DefectSettings
from flawcast.configs.errors import SettingsError
from flawcast.flows.augment import AugmentRequest, augment
from flawcast.flows.augment.guide import Guide
from flawcast.flows.augment.misses import (
    nearest_first,
    read_misses,
    refuse_test_clips,
    write_scores,
)
from flawcast.generators.clips import list_clips
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.storage import SampleStore

READ = ClipSettings(size=32)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four training clips and two test clips of each of three labels."""
    folder = tmp_path_factory.mktemp("misses")
    line = draw_line(6, seed=3, frames=8, states=("normal", "jam", "slip"))
    return write_line(folder / "clips", line, test_every=3)


@pytest.fixture
def scores(clips: Path, tmp_path: Path) -> Path:
    """Scores of training clips that miss all slips and no jam."""
    level = {"normal": 0.5, "jam": 0.9, "slip": 0.1}
    entries = [entry for entry in list_clips(clips) if entry.split == "train"]
    rows = [
        {"clip": entry.name, "score": level[entry.label], "label": entry.label} for entry in entries
    ]
    return write_scores(tmp_path / "scores.csv", rows)


def test_what_is_missed_gets_more_of_the_same_budget(scores: Path) -> None:
    misses = read_misses(scores, "normal")
    assert misses.by_label() == {"normal": 0.5, "jam": 0.0, "slip": 1.0}
    counts = misses.budget(["normal", "jam", "slip"], 60, 2)
    assert sum(counts.values()) == 60
    assert counts["slip"] > counts["normal"] > counts["jam"] >= 10
    assert all(count % 2 == 0 for count in counts.values())


def test_a_round_draws_the_misses_and_says_so(
    clips: Path, scores: Path, tiny_model: Path, tmp_path: Path
) -> None:
    request = AugmentRequest(
        clips=clips, model=tiny_model, store=str(tmp_path / "store"), per_label=6, workers=0
    )
    even = augment(request).manifest
    assert even.misses is None
    first = augment(request.model_copy(update={"misses": scores}))
    made = {label: sum(counts.values()) for label, counts in first.manifest.made.items()}
    assert sum(made.values()) == 18  # the budget of three labels
    assert made["slip"] > made["jam"]
    assert first.manifest.misses is not None
    assert first.manifest.misses["round"] == 1
    assert first.manifest.misses["videos"] == made
    assert augment(request.model_copy(update={"misses": scores})).summary.written == 0
    other = tmp_path / "other.csv"
    other.write_text(scores.read_text() + scores.read_text().splitlines()[-1] + "\n")
    second = augment(request.model_copy(update={"misses": other}))
    assert second.manifest.misses is not None
    assert second.manifest.misses["round"] == 2
    assert second.summary.written > 0
    rows = SampleStore.open(tmp_path / "store").query(rows="samples").to_pylist()
    assert {row["split"] for row in rows} == {"train"}


def test_clips_to_test_on_are_refused_by_name_and_by_bytes(clips: Path, tmp_path: Path) -> None:
    tested = next(entry for entry in list_clips(clips) if entry.split == "test")
    trained = [entry for entry in list_clips(clips) if entry.split == "train"]
    good = next(entry for entry in trained if entry.label == "normal")
    rows = [{"clip": good.name, "score": 0.1, "label": "normal"}]
    named = write_scores(
        tmp_path / "a.csv", [*rows, {"clip": tested.name, "score": 1, "label": "x"}]
    )
    with pytest.raises(SettingsError, match=rf"{tested.name} is a clip to test on"):
        refuse_test_clips(read_misses(named, "normal"), clips, READ)
    copied = tmp_path / "clips"
    shutil.copytree(clips, copied)
    bad = next(entry for entry in trained if entry.label == "jam")
    shutil.copy(tested.path, copied / bad.path.name)
    same = write_scores(tmp_path / "b.csv", [*rows, {"clip": bad.name, "score": 1, "label": "jam"}])
    with pytest.raises(SettingsError, match=f"has the same bytes as {tested.name}, a clip to test"):
        refuse_test_clips(read_misses(same, "normal"), copied, READ)
    lost = write_scores(tmp_path / "c.csv", [*rows, {"clip": "lost", "score": 1, "label": "jam"}])
    with pytest.raises(SettingsError, match="it has none called lost"):
        refuse_test_clips(read_misses(lost, "normal"), clips, READ)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found no clip"),
        ("clip,score\na,1\n", "found no label"),
        ("clip,score,label\na,1,normal\nb,x,jam\n", "expected a number for score in line 3"),
        ("clip,score,label\na,1,normal\nb,,jam\n", "expected a score in line 3"),
        ("clip,score,label\na,1,normal\n", "found only normal"),
    ],
    ids=["empty", "no label", "no number", "no score", "good alone"],
)
def test_tables_that_cannot_be_used_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_misses(tmp_path / "scores.csv", "normal")


def test_the_nearest_to_what_is_missed_come_first() -> None:
    at = {
        name: np.array([value, 0], np.float32) for name, value in zip("abc", (0, 5, 9), strict=True)
    }
    missed = {"x": np.array([8, 0], np.float32), "y": np.array([0, 0], np.float32)}
    assert nearest_first(missed, {"x": 1.0, "y": 0.0}, at) == ["c", "b", "a"]
    assert nearest_first(missed, {}, at) == ["a", "b", "c"]


def test_looks_are_as_those_that_are_missed(tmp_path: Path) -> None:
    rows = [
        {"clip": "a", "score": 0.5, "label": "normal"},
        {"clip": "b", "score": 0.1, "label": "crack", "size": 0.2, "severity": 0.3, "type": "chip"},
        {
            "clip": "c",
            "score": 0.9,
            "label": "crack",
            "size": 0.6,
            "severity": 0.9,
            "type": "crack",
        },
    ]
    misses = read_misses(write_scores(tmp_path / "scores.csv", rows), "normal")
    guide = Guide(misses, {}, READ, {}, (4, 4))
    looks = guide.looks("crack", DefectSettings(types=("crack", "chip")))
    assert looks.types == ("chip",)
    assert looks.severity == (0.2, 0.45)
    assert looks.size is not None
    assert looks.size[0] < 0.2 < looks.size[1] < 0.6
