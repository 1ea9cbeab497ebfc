"""The way of the data: each clip is decoded once by a worker, and is what was planned."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError, FlawcastError
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate import run as run_module
from flawcast.flows.generate.plan import SetPlan, plan_sets
from flawcast.flows.generate.regenerate import regenerate
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.run import generate
from flawcast.flows.generate.sample_set import SetRequest
from flawcast.flows.generate.shards import cut_shards
from flawcast.generators.clips import list_clips, read_entry, reading
from flawcast.generators.clips.decoding import decode_timed
from flawcast.generators.clips.kept import forget_clips, planned_clip, planned_frame
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.storage import SampleStore

SETTINGS = GenerateSettings(past=2, future=2, samples=2, keep=2)
READ = ClipSettings(size=32)


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """Begin with nothing decoded."""
    forget_clips()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, bool]]:
    """How often each clip is decoded, whole or (False) not to its end."""
    counts: Counter[tuple[str, bool]] = Counter()
    real: Callable[..., Any] = decode_timed

    def counting(path: Path, shape: object, stride: int, most: int | None, *how: Any) -> Any:
        counts[path.name, most is None] += 1
        return real(path, shape, stride, most, *how)

    monkeypatch.setattr(reading, "decode_timed", counting)
    return counts


def asked(clips: Path, model: Path, store: Path, **changes: object) -> GenerateRequest:
    values: dict[str, object] = {"clips": clips, "model": model, "store": str(store)}
    values |= {"settings": SETTINGS, "modes": ("reconstruction", "transfer"), "workers": 0}
    return GenerateRequest.model_validate(values | changes)


@pytest.mark.parametrize("windows", [8, pytest.param(40, marks=pytest.mark.slow)])
def test_a_clip_of_many_windows_is_decoded_once_for_all_of_them(
    windows: int, tiny_model: Path, tmp_path: Path, decoded: Counter[tuple[str, bool]]
) -> None:
    """In two modes: whole to plan and to make them, one frame as others' source."""
    long = draw_line(1, seed=5, frames=4 * windows, states=("jam",))
    short = draw_line(1, seed=5, frames=8, states=("normal", "slip"))
    clips = write_line(tmp_path / "clips", [*long, *short])
    summary = generate(asked(clips, tiny_model, tmp_path / "store"))
    assert summary.written == (windows + 2 + 2) * 2
    for entry in list_clips(clips):
        whole, parts = decoded[entry.name, True], decoded[entry.name, False]
        assert whole == 2, decoded
        assert whole + parts <= 3, decoded


def test_windows_of_a_clip_stay_together(line_folder: Path, tmp_path: Path) -> None:
    plans = plan_sets(line_folder, None, ("reconstruction",), SETTINGS, READ, "weights-0").sets
    request = GenerateRequest(clips=line_folder, model=tmp_path, store="s", workers=1)
    shards = cut_shards(plans, request, SetRequest(SETTINGS, READ, "run", "0"), "gru", "weights-0")
    assert len(shards) == 4
    assert tuple(plan for shard in shards for plan in shard.plans) == plans
    assert {len(shard.plans) for shard in shards} == {1, 2}


def replace_after_planning(monkeypatch: pytest.MonkeyPatch, path: Path, other: Path) -> None:
    """Let somebody put another clip in a clip's place once a run is planned."""

    def planned(*arguments: Any) -> Any:
        plan = plan_sets(*arguments)
        shutil.copy(other, path)
        return plan

    monkeypatch.setattr(run_module, "plan_sets", planned)


@pytest.mark.parametrize("damaged", [False, True], ids=["another clip", "half written"])
def test_a_clip_that_changed_since_it_was_planned_is_not_stored(
    damaged: bool,
    line_folder: Path,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As driving clip or as source; the next run makes what is there then."""
    clips, other = tmp_path / "clips", tmp_path / "other.mkv"
    shutil.copytree(line_folder, clips)
    changed, *_ = sorted(clips.glob("*.mkv"))
    written = write_line(tmp_path / "line", draw_line(1, seed=9, frames=8, states=("normal",)))
    shutil.copy(next(written.glob("*.mkv")), other)
    if damaged:
        other.write_bytes(other.read_bytes()[:200])
    with monkeypatch.context() as patch:
        replace_after_planning(patch, changed, other)
        with pytest.raises(FlawcastError, match=r"^\d+ sets failed, the first with: ") as caught:
            generate(asked(clips, tiny_model, tmp_path / "store"))
    told = f"{changed.name}: changed since it was planned; run the same command again"
    assert told in str(caught.value)
    store = SampleStore.open(tmp_path / "store")
    made = [store.row(set_id) for set_id in store.set_ids()]
    assert made
    assert all(changed.name not in (row["clip_name"], row["source_clip_name"]) for row in made)
    again = generate(asked(clips, tiny_model, tmp_path / "store"))
    assert len(again.rejects) == damaged


def test_a_clip_that_is_gone_or_other_is_named(line_folder: Path, tmp_path: Path) -> None:
    clips = shutil.copytree(line_folder, tmp_path / "clips")
    first, second, _ = list_clips(clips)
    clip = read_entry(first, READ)
    assert planned_clip(first, READ, clip.id) is planned_clip(first, READ, clip.id)
    frame = planned_frame(first, READ, clip.id, 3)
    assert np.array_equal(frame, clip.frames[3])
    with pytest.raises(ValueError, match="read-only"):
        planned_clip(first, READ, clip.id).frames[0] = 0
    shutil.copy(second.path, first.path)
    for read in (
        lambda: planned_clip(first, READ, clip.id),
        lambda: planned_frame(first, READ, clip.id, 3),
    ):
        with pytest.raises(ClipError, match=f"^{first.name}: changed since it was planned; run"):
            read()
    first.path.unlink()
    with pytest.raises(ClipError, match="changed since it was planned"):
        planned_clip(first, READ, clip.id)


def test_regenerate_decodes_no_other_clip(
    line_folder: Path, tiny_model: Path, tmp_path: Path, decoded: Counter[tuple[str, bool]]
) -> None:
    """Also where a clip has another name by now."""
    clips = shutil.copytree(line_folder, tmp_path / "clips")
    generate(asked(clips, tiny_model, tmp_path / "store", modes=("transfer",)))
    (row, *_) = SampleStore.open(tmp_path / "store").query(rows="samples").to_pylist()
    (clips / row["clip_name"]).rename(clips / "zz.mkv")
    (clips / "labels.csv").unlink()
    forget_clips()
    decoded.clear()
    assert regenerate(str(tmp_path / "store"), row["sample_id"], str(tiny_model)).equal
    assert decoded == {("zz.mkv", True): 1, (row["source_clip_name"], False): 1}


def test_planning_keeps_what_it_listed(line_folder: Path) -> None:
    plan = plan_sets(line_folder, None, ("transfer",), SETTINGS, READ, "weights-0")
    entries = set(list_clips(line_folder))
    assert {item.entry for item in plan.sets} == entries
    assert {item.source.entry for item in plan.sets} <= entries
    assert all(isinstance(item, SetPlan) and item.source.length == 8 for item in plan.sets)
