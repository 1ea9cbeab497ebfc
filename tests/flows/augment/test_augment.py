"""The recipe: balanced, from clips to train on alone, made once, and said in a manifest."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from flawcast.configs.defect_settings import DefectSettings
from flawcast.configs.errors import SettingsError
from flawcast.configs.set_settings import SetSettings
from flawcast.flows.augment import AugmentRequest, augment
from flawcast.flows.augment.choosing import Stretch, in_turn, pair_up, usable_windows
from flawcast.flows.augment.manifest import read_manifest
from flawcast.flows.augment.run import request_from_options
from flawcast.flows.generate.reading import ReadClip
from flawcast.flows.generate.regenerate import regenerate
from flawcast.generators.clips import ClipEntry, Window, list_clips
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.storage import SampleStore
from tests.flows.commands.running import run as flawcast


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four training clips and two test clips of each of two labels."""
    folder = tmp_path_factory.mktemp("augment")
    line = draw_line(6, seed=3, frames=8, states=("normal", "jam"))
    return write_line(folder / "clips", line, test_every=3)


def asked(clips: Path, model: Path, store: Path, **changes: object) -> AugmentRequest:
    values = {"clips": clips, "model": model, "store": str(store), "per_label": 6, "workers": 0}
    return AugmentRequest.model_validate(values | changes)


@pytest.fixture(scope="module")
def store(clips: Path, tiny_model: Path) -> SampleStore:
    """A store that was augmented once."""
    augment(asked(clips, tiny_model, clips.parent / "store"))
    return SampleStore.open(clips.parent / "store")


def made_clip(name: str, length: int = 12, label: str = "normal", **more: object) -> ReadClip:
    return ReadClip(ClipEntry(name, Path(name), label), f"clip-{name}", length, **more)  # type: ignore[arg-type]


def test_every_label_gets_as_many_videos_from_clips_to_train_on(
    store: SampleStore, clips: Path
) -> None:
    rows = store.query(rows="samples").to_pylist()
    assert Counter(row["label"] for row in rows) == {"normal": 6, "jam": 6}
    assert {row["split"] for row in rows} == {"train"}
    train = {entry.name for entry in list_clips(clips) if entry.split == "train"}
    assert {row["clip_name"] for row in rows} <= train
    assert {row["source_clip_name"] for row in rows} <= train
    good = {entry.name for entry in list_clips(clips) if entry.label == "normal"}
    assert {row["source_clip_name"] for row in rows} <= good
    assert all(row["source_clip_id"] != row["clip_id"] for row in rows)
    assert {row["mode"] for row in rows} == {"transfer"}


def test_half_of_the_videos_move_as_a_real_clip_did(store: SampleStore) -> None:
    for row in store.query().to_pylist():
        sample_set = store.load(row["set_id"])
        assert sample_set.indices[0] == 0
        assert np.array_equal(sample_set.videos[0], sample_set.reference)
        assert sample_set.mae[0] == 0
        assert sample_set.mae[1] > 0
        generate = SetSettings.parse(row["settings"]).generate
        assert generate is not None
        assert generate.driving is not None
        assert generate.driving.real == 1


def test_the_same_command_makes_nothing_again(
    store: SampleStore, clips: Path, tiny_model: Path, tmp_path: Path
) -> None:
    before = store.query().column("set_id").to_pylist()
    again = augment(asked(clips, tiny_model, clips.parent / "store"))
    assert (again.summary.written, again.summary.present) == (0, 6)
    assert store.query().column("set_id").to_pylist() == before
    copy = shutil.copytree(clips.parent / "store", tmp_path / "store")
    more = augment(asked(clips, tiny_model, copy, per_label=8))
    assert (more.summary.written, more.summary.present) == (2, 6)


def test_the_manifest_adds_up_and_is_in_the_run_s_record(
    clips: Path, tiny_model: Path, tmp_path: Path
) -> None:
    done = augment(asked(clips, tiny_model, tmp_path / "store"))
    manifest = done.manifest
    assert manifest.requested == {"normal": 6, "jam": 6}
    made = sum(sum(counts.values()) for counts in manifest.made.values())
    assert sum(manifest.requested.values()) == made + sum(manifest.rejected.values())
    assert manifest.made["jam"] == {"real": 3, "sampled": 3}
    assert manifest.held_out == {"test": 4}
    opened = SampleStore.open(tmp_path / "store")
    assert read_manifest(opened, done.summary.run_id) == manifest
    opened = SampleStore.open(tmp_path / "store", "a")
    assert done.to_json()["manifest"]["sources"] == {"normal": 3, "jam": 3}


def test_a_pair_that_comes_again_holds_other_futures(
    store: SampleStore, clips: Path, tiny_model: Path, tmp_path: Path
) -> None:
    known = {row["clip_id"]: row["motion_label"] for row in store.query().to_pylist()}
    good = [clip for clip, label in known.items() if label == "normal"][:2]
    bad = [clip for clip, label in known.items() if label == "jam"][:1]
    done = augment(asked(clips, tiny_model, tmp_path / "store", only=(*good, *bad)))
    assert done.manifest.made["jam"] == {"real": 2, "sampled": 4}  # on two sources, then again
    opened = SampleStore.open(tmp_path / "store")
    sets = [opened.load(row["set_id"]) for row in opened.query("label = 'jam'").to_pylist()]
    motions = {motion.tobytes() for one in sets for motion in one.keypoints[-1:]}
    assert len(motions) == 3


def test_a_sample_can_be_made_again(store: SampleStore) -> None:
    row = store.query("label = 'jam'", rows="samples").to_pylist()[1]
    assert regenerate(store.url, row["sample_id"]).equal


@pytest.mark.usefixtures("store")
def test_workers_and_this_process_plan_the_same(clips: Path, tiny_model: Path) -> None:
    request = asked(clips, tiny_model, clips.parent / "store", workers=2)
    assert augment(request).summary.written == 0  # all sets are there: Ray is not started


def test_the_command_prints_the_manifest(clips: Path, tiny_model: Path, tmp_path: Path) -> None:
    options = ["--store", str(tmp_path / "store"), "--model", str(tiny_model), "--workers", "0"]
    said = flawcast("augment", str(clips), *options, "--per-label", "2", "--quiet")
    assert "not used: 4 of test" in said.stdout
    values = json.loads(
        flawcast("augment", str(clips), *options, "--per-label", "2", "--json").stdout
    )
    assert values["manifest"]["requested"] == {"normal": 2, "jam": 2}
    assert values["written"] == 0


def test_options_and_labels_are_checked(clips: Path, tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="name normal with --normal"):
        augment(asked(clips, tiny_model, tmp_path / "store", normal="good"))
    with pytest.raises(SettingsError, match="per_label"):
        request_from_options(clips=clips, model=None, store="s", settings={"seed": 3}, per_label=1)
    request = request_from_options(clips=clips, model="demo", store="s", settings={"seed": 3})
    assert (request.settings.seed, request.settings.keep) == (3, 2)
    assert request.driving.real == 1


def test_windows_are_counted_from_the_end_and_know_the_onset() -> None:
    clip = made_clip("a", 30)
    assert usable_windows(clip, 4, 6, True) == [Window(start, 4, 6) for start in (20, 10, 0)]
    assert usable_windows(clip, 4, 6, False) == [Window(20, 4, 6)]
    late = made_clip("b", 30, onset=12)
    assert usable_windows(late, 4, 6, False) == [Window(20, 4, 6), Window(10, 4, 6)]
    paused = made_clip("c", 30, gaps=(25,))
    assert usable_windows(paused, 4, 6, True) == [Window(15, 4, 6), Window(5, 4, 6)]


def test_every_clip_lends_its_looks_before_one_lends_them_again() -> None:
    clips = [made_clip(name, 24) for name in "abcd"]
    sources = in_turn(clips, 6, 6, True, 0)
    assert len({source.clip.clip_id for source in sources[:4]}) == 4
    motion = Stretch(made_clip("jam", label="jam"), Window(0, 6, 6))
    pairs = list(pair_up([motion], sources, 6, Counter()))
    assert len({pair.source.clip.clip_id for pair in pairs[:4]}) == 4
    assert all(pair.turn == 0 for pair in pairs)
    own = list(pair_up(sources, sources, 8, Counter()))
    assert all(pair.motion.clip.clip_id != pair.source.clip.clip_id for pair in own)


def test_defects_of_looks_are_labels_of_their_own_and_others_get_placebos(tmp_path: Path) -> None:
    line = draw_line(3, seed=4, frames=16, size=96, states=("normal", "slip"))
    clips = write_line(tmp_path / "clips", line)
    looks = DefectSettings(types=("stain", "scratch"), severity=(0.6, 1.0))
    request = AugmentRequest(
        clips=clips, store=str(tmp_path / "store"), per_label=4, workers=0, defects=looks
    )
    done = augment(request)
    manifest = done.manifest
    assert list(manifest.requested) == ["normal", "slip", "stain", "scratch"]
    assert sum(manifest.requested.values()) == sum(manifest.rejected.values()) + sum(
        sum(counts.values()) for counts in manifest.made.values()
    )
    rows = SampleStore.open(tmp_path / "store").query(rows="samples").to_pylist()
    looked = [row for row in rows if row["label"] in looks.types]
    assert looked
    for row in looked:
        assert row["motion_label"] == "normal"
        assert row["defect_type"] == row["label"]
        assert row["masks"] == "drawn"
    others = [row for row in rows if row["label"] not in looks.types]
    assert {row["defect_type"] for row in others} == {None}
    assert any(row["placebo"] for row in others)
    assert augment(request).summary.written == 0
