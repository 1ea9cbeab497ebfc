"""The uplift experiment: fair arms, honest scores, cells that are not done twice."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError, SettingsError
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.run import generate
from flawcast.flows.uplift import UpliftRequest, uplift
from flawcast.flows.uplift.arms import ARMS, BOTH
from flawcast.flows.uplift.data import (
    Material,
    choose_real,
    pick,
    read_real,
    training_set,
    usable,
)
from flawcast.flows.uplift.detectors import DETECTORS, Lesson
from flawcast.flows.uplift.detectors.sights import shown
from flawcast.flows.uplift.looks import looks_of
from flawcast.flows.uplift.making import Maker, Making
from flawcast.flows.uplift.options import request_from_options
from flawcast.flows.uplift.pasting import paste_defects
from flawcast.flows.uplift.stored import read_samples
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.selection.detection_scores import (
    auroc,
    average_precision,
    draw_clips,
    f1,
    paired_difference,
)

READ = ClipSettings(size=32)
TINY = ("tiny", "tiny-one-class")
QUICK = {"per_label": 4, "drawn": 4, "epochs": 1}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of two labels with both splits."""
    folder = tmp_path_factory.mktemp("uplift")
    line = draw_line(6, seed=3, frames=8, states=("normal", "jam"))
    return write_line(folder / "clips", line, test_every=3)


@pytest.fixture(scope="module")
def store(clips: Path, tiny_model: Path) -> str:
    """Samples of all clips, test clips too."""
    settings = GenerateSettings(past=4, future=4, samples=4, keep=2)
    store, modes = str(clips.parent / "store"), ("reconstruction", "transfer")
    request = {"clips": clips, "model": tiny_model, "store": store, "modes": modes, "workers": 0}
    generate(GenerateRequest.model_validate(request | {"settings": settings}))
    return store


@pytest.fixture(scope="module")
def material(clips: Path) -> Material:
    return read_real(clips, READ, 4, 4, "normal", None).seen_by(shown)


def asked(clips: Path, out: Path, **changes: object) -> UpliftRequest:
    values = {"clips": clips, "out": out, "k": (1,), "seeds": 2, "steps": 3, "making": QUICK}
    values |= {"workers": 1, "detectors": TINY}
    return UpliftRequest.model_validate(values | changes)


def test_no_stored_sample_knows_a_test_clip_or_an_unused_one(
    store: str, material: Material
) -> None:
    made = read_samples(store, material, 4)
    assert not set(made.clips) & set(material.scored.clips)
    assert not set(made.sources) & set(material.scored.clips)
    for seed in range(4):
        real = choose_real(material, 1, seed)
        mine = usable(made, material, real)
        assert np.bincount(material.train.labels[real]).tolist() == [4, 1]
        assert set(mine.clips) | set(mine.sources) <= {material.train.clips[i] for i in real}


def test_pasted_defects_stand_still_on_good_clips(clips: Path) -> None:
    real = read_real(clips, READ, 4, 4, "normal", None)
    sides = [
        [(index, clip) for index, clip in enumerate(real.train) if clip.label == label]
        for label in ("normal", "jam")
    ]
    videos = paste_defects(sides[0], sides[1], READ, 4, 5, seed=0)
    assert len(videos) == 5
    for one in videos:
        assert real.train[one.good].label == "normal"
        assert real.train[one.bad].label == "jam"
        own = real.train[one.good].frames[-4:]
        assert np.array_equal(one.video[:, ~one.mask], own[:, ~one.mask])
        assert np.ptp(one.video[:, one.mask], axis=0).max() == 0
    with pytest.raises(ClipError, match="expected masks of its defect"):
        paste_defects(sides[0], sides[0][:1], READ, 4, 1, seed=0)


def test_placebos_are_good_samples_under_any_label(store: str, material: Material) -> None:
    real = choose_real(material, 2, seed=0)
    mine = pick(material.train, real)
    made = usable(read_samples(store, material, 4), material, real)
    arm = ARMS["+ placebos as defects"]
    control = training_set(mine, made, arm, 0, 0.5)
    good = {name for name, label in zip(made.ids, made.labels, strict=True) if label == 0}
    assert set(control.videos.ids[len(real) :]) <= good
    assert set(control.videos.labels[len(real) :].tolist()) == {0, 1}
    assert arm.control


def test_looks_are_as_large_as_the_real_ones(tmp_path: Path) -> None:
    line = draw_line(3, seed=5, frames=12, size=96, states=("normal", "crack"))
    folder = write_line(tmp_path / "clips", line)
    read = ClipSettings(size=96)
    train = read_real(folder, read, 4, 8, "normal", None).train
    looks = looks_of("crack,chip=crack", train, read)
    assert looks is not None
    assert looks.size is not None
    assert 0.04 <= looks.size[0] < looks.size[1] <= 0.9
    assert [looks.label_of(name) for name in looks.types] == ["crack", "crack"]
    assert looks_of("", train, read) is None


def test_a_larger_k_keeps_the_clips_of_a_smaller_one(material: Material) -> None:
    for seed in range(4):
        few, more = (set(choose_real(material, k, seed)) for k in (1, 3))
        assert few < more


def test_made_samples_come_from_clips_in_use(
    clips: Path, material: Material, tiny_model: Path, tmp_path: Path
) -> None:
    real_clips = read_real(clips, READ, 4, 4, "normal", None)
    making = Making.model_validate(QUICK)
    maker = Maker(clips, tiny_model, tmp_path, real_clips.train, "normal", making)
    real = choose_real(material, 1, seed=0)
    where = maker.make("vrnn", BOTH, 1, 0, real)
    made = read_samples(maker.store, material, 4, where=where)
    in_use = {material.train.clips[index]: material.train.labels[index] for index in real}
    assert len(made.labels) == 2 * 2 * 4  # labels, modes
    for clip, source, label, (mode, _) in zip(
        made.clips, made.sources, made.labels, made.kinds, strict=True
    ):
        assert in_use[clip] == label
        assert in_use[source] == 0 if mode == "transfer" else source == clip
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert maker.make("vrnn", BOTH, 1, 0, real) == where
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_arms_share_the_real_clips_and_half_of_what_is_drawn_is_real(
    store: str, material: Material
) -> None:
    real = choose_real(material, 2, seed=0)
    mine = pick(material.train, real)
    made = usable(read_samples(store, material, 4), material, real)
    plain = training_set(mine, made, ARMS["real"], 0, 0.5)
    mixed = training_set(mine, made, ARMS["+ reconstruction"], 0, 0.5)
    assert plain.synthetic == 0
    assert mixed.videos.clips[: len(real)] == plain.videos.clips
    assert mixed.chances[: len(real)].sum() == pytest.approx(0.5)
    control = training_set(mine, made, ARMS["+ transfer, labels shuffled"], 0, 0.5)
    assert np.array_equal(control.videos.labels[: len(real)], mine.labels)
    with pytest.raises(SettingsError, match="no samples of these clips"):
        training_set(mine, made, ARMS["VRNN: + transfer"], 0, 0.5)


@pytest.mark.parametrize("name", TINY)
def test_detectors_repeat_and_find_what_is_blatant(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    videos = 0.5 + 0.02 * torch.randn(24, 3, 6, 16, 16, generator=generator)
    labels = np.arange(24) % 2
    videos[labels == 1, :, 3:] += 0.3  # it flashes
    lesson = Lesson(videos, labels, np.full(24, 1 / 24), True, 2, 40, 0)
    found = DETECTORS[name].judge(lesson, videos)
    assert auroc(found.suspicion, labels == 1) > 0.9
    assert np.array_equal(DETECTORS[name].judge(lesson, videos).suspicion, found.suspicion)
    assert np.isfinite(found.loss)


def test_the_one_class_scorer_looks_at_good_videos_alone() -> None:
    videos = torch.rand(8, 3, 6, 16, 16, generator=torch.Generator().manual_seed(0))
    lesson = Lesson(videos, np.arange(8) // 4, np.full(8, 1 / 8), False, 2, 3, 0)
    other = replace(lesson, videos=torch.cat([videos[:4], 1 - videos[4:]]))
    one, two = (DETECTORS["tiny-one-class"].judge(item, videos) for item in (lesson, other))
    assert np.array_equal(one.suspicion, two.suspicion)
    assert one.said is None


def test_cells_are_done_once(clips: Path, tiny_model: Path, tmp_path: Path) -> None:
    request = asked(clips, tmp_path / "out", model=str(tiny_model), seeds=1)
    first = uplift(request)
    cells = sorted((tmp_path / "out" / "cells").iterdir())
    arms = [ARMS[name] for name in request.arms]
    assert len(cells) == len(arms) + len({arm.good_videos for arm in arms})
    times = {path: path.stat().st_mtime_ns for path in cells}
    lost = cells[0].read_text()
    cells[0].unlink()
    assert uplift(request) == first
    assert cells[0].read_text() == lost
    assert all(path.stat().st_mtime_ns == times[path] for path in cells[1:])
    report = (tmp_path / "out" / "report.md").read_text()
    assert "Arms that hurt" in report
    assert "| 1 | real |" in report
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == first
    with pytest.raises(SettingsError, match="holds an experiment with another steps"):
        uplift(request.model_copy(update={"steps": 4}))
    twice = {"k": (1, 1), "arms": (*request.arms, "real")}
    assert uplift(request.model_copy(update=twice)) == first
    cells[0].write_text("")
    with pytest.raises(SettingsError, match="remove the file"):
        uplift(request)
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="expected a folder, found a file"):
        uplift(request.model_copy(update={"out": tmp_path / "file"}))


@pytest.mark.slow
def test_workers_find_what_one_process_finds(clips: Path, tiny_model: Path, tmp_path: Path) -> None:
    arms = ("real", "+ transfer", "VRNN: + reconstruction")
    request = asked(clips, tmp_path / "one", model=str(tiny_model), seeds=1, arms=arms)
    here = uplift(request)
    there = uplift(request.model_copy(update={"out": tmp_path / "two", "workers": 2}))
    assert there["rows"] == here["rows"]


def test_a_store_can_give_the_samples(clips: Path, store: str, tmp_path: Path) -> None:
    chosen = ("real", "+ both, augmented", "VRNN: + transfer")
    values = uplift(asked(clips, tmp_path / "out", store=store, seeds=1, arms=chosen))
    assert {row["arm"] for row in values["rows"]} == {"real", "+ both, augmented"}
    vrnn = [ARMS["VRNN: + transfer"]]  # of which the store has none
    # Of a classifier all, of the one-class scorer those that differ to it.
    assert values["skipped"] == len(vrnn) + len({arm.good_videos for arm in vrnn})


def test_arms_are_checked_before_anything_is_trained(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="one without samples to compare with"):
        uplift(asked(clips, tmp_path / "out", arms=("+ transfer",)))
    with pytest.raises(SettingsError, match="got 'unreal'"):
        uplift(asked(clips, tmp_path / "out", arms=("unreal",)))
    assert not (tmp_path / "out").exists()


def test_validation_reads_no_test_clip(clips: Path, material: Material) -> None:
    chosen = read_real(clips, READ, 4, 4, "normal", 3).seen_by(shown)
    known = set(material.train.clips)
    assert set(chosen.train.clips) | set(chosen.scored.clips) == known
    assert not set(chosen.train.clips) & set(chosen.scored.clips)


def test_options_of_making_are_checked(tmp_path: Path) -> None:
    request = request_from_options(["share=0.75", "drawn=7"], clips="line", out=tmp_path)
    assert (request.share, request.making.drawn) == (0.75, 7)
    with pytest.raises(SettingsError, match="expected NAME=VALUE, got 'drawn'"):
        request_from_options(["drawn"], clips="line", out=tmp_path)
    with pytest.raises(SettingsError, match=r"making\.spice"):
        request_from_options(["spice=1"], clips="line", out=tmp_path)


def test_scores_by_hand() -> None:
    truth = np.array([True, True, False, False])
    assert auroc(np.array([0.9, 0.8, 0.1, 0.2]), truth) == 1
    assert auroc(np.full(4, 0.5), truth) == 0.5
    assert average_precision(np.full(4, 0.5), truth) == 0.5
    assert average_precision(np.array([0.9, 0.1, 0.5, 0.2]), truth) == pytest.approx(0.75)
    assert f1(np.array([1, 1, 0]), np.array([1, 0, 1]), 1) == pytest.approx(0.5)
    assert f1(np.array([0, 0]), np.array([0, 0]), 1) == 0


def test_intervals_tell_a_difference_from_none(rng: np.random.Generator) -> None:
    truth = np.arange(60) % 2 == 0

    def measures(scores: np.ndarray) -> list:
        return [lambda chosen, row=row: auroc(row[chosen], truth[chosen]) for row in scores]

    good = measures(truth + 0.3 * rng.standard_normal((5, 60)))
    noise = measures(rng.standard_normal((5, 60)))
    draw, everything = draw_clips(truth), np.arange(60)
    better = paired_difference(good, noise, draw, everything, rng)
    assert better.low > 0
    assert better.verdict == "helps"
    assert paired_difference(noise, good, draw, everything, rng).verdict == "hurts"
    same = paired_difference(good, good, draw, everything, rng)
    assert (same.mean, same.low, same.high) == (0, 0, 0)
    assert same.verdict == "no difference shown"
