"""The built-in line: same seed, same clip; masks and onset agree; motion is worth modelling."""

import csv
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from flawcast.configs.errors import SettingsError
from flawcast.generators.backbones.layers import observe
from flawcast.generators.backbones.layers.parts import carried
from flawcast.generators.line.clips import STATES, LineClip, draw_clip, draw_line, write_line


@pytest.fixture(scope="module")
def clips() -> dict[str, list[LineClip]]:
    return {label: list(draw_line(4, seed=3, states=(label,))) for label in STATES}


def copy_error(clip: LineClip) -> float:
    """Mean absolute error of showing the first frame for ever."""
    video = clip.frames.astype(np.float32) / 255
    return float(np.abs(video[1:] - video[:1]).mean())


def read(path: Path, pixels: str) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format=pixels) for frame in container.decode(video=0)]
    return np.stack(frames)


@pytest.mark.parametrize("label", STATES)
def test_same_seed_draws_the_same_clip_and_another_seed_another(label: str) -> None:
    first, again, other = (draw_clip(label, seed, frames=5) for seed in (5, 5, 6))
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.defect_masks, again.defect_masks)
    assert np.abs(first.frames.astype(int) - other.frames).mean() > 2


@pytest.mark.parametrize("label", STATES)
def test_axes_types_and_label(label: str) -> None:
    clip = draw_clip(label, 1, frames=7, size=80)
    assert clip.frames.shape == (7, 80, 80, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.part_masks.shape == clip.defect_masks.shape == (7, 80, 80)
    assert clip.part_masks.dtype == clip.defect_masks.dtype == np.bool_
    assert clip.label == label
    assert clip.fps == 3.5


@pytest.mark.parametrize("label", STATES)
def test_every_size_shows_the_same_scene(label: str) -> None:
    small, large = draw_clip(label, 2, frames=4), draw_clip(label, 2, frames=4, size=256)
    assert small.onset == large.onset
    shrunk = [cv2.resize(f, (64, 64), interpolation=cv2.INTER_AREA) for f in large.frames]
    assert np.abs(np.stack(shrunk).astype(int) - small.frames).mean() / 255 < 0.012
    coarse = large.part_masks[:, 2::4, 2::4]
    assert (coarse != small.part_masks).mean() < 0.015


@pytest.mark.parametrize("label", STATES)
def test_defects_show_from_their_onset_on(label: str, clips: dict[str, list[LineClip]]) -> None:
    for clip in clips[label]:
        if clip.onset is None:
            assert label == "normal"
            assert not clip.defect_masks.any()
            continue
        assert 6 <= clip.onset <= 11
        assert not clip.defect_masks[: clip.onset].any()
        assert clip.defect_masks[clip.onset + 4 :].any(axis=(1, 2)).all()
        assert not (clip.defect_masks & ~clip.part_masks).any()


@pytest.mark.parametrize("label", STATES)
def test_one_whole_part_travels_through_the_picture(
    label: str, clips: dict[str, list[LineClip]]
) -> None:
    for clip in clips[label]:
        masks = clip.part_masks
        assert 0.11 < masks[0].mean() < 0.25
        edges = (masks[:, 0], masks[:, -1], masks[:, :, 0], masks[:, :, -1])
        assert not any(edge.any() for edge in edges)
        pieces, _ = cv2.connectedComponents(masks[0].astype(np.uint8))
        assert pieces == 2  # background and part
        centre = [np.nonzero(mask)[1].mean() / 64 for mask in masks]
        assert centre[clip.onset or -1] > centre[0] + 0.04


def test_a_normal_part_rides_with_the_belt(clips: dict[str, list[LineClip]]) -> None:
    for clip in clips["normal"]:
        columns = [np.nonzero(mask)[1].mean() / 64 for mask in clip.part_masks]
        assert 0.22 < columns[-1] - columns[0] < 0.4
        assert (np.diff(columns) > 0).all()


def test_a_jammed_part_stops(clips: dict[str, list[LineClip]]) -> None:
    for clip in clips["jam"]:
        assert clip.onset is not None
        columns = np.array([np.nonzero(mask)[1].mean() / 64 for mask in clip.part_masks])
        before = (columns[clip.onset] - columns[0]) / clip.onset
        after = columns[clip.onset + 6] - columns[clip.onset + 3]
        assert abs(after / 3) < 0.6 * before


def test_repeating_the_first_frame_is_clearly_wrong(clips: dict[str, list[LineClip]]) -> None:
    errors = {label: np.mean([copy_error(clip) for clip in clips[label]]) for label in STATES}
    assert all(0.035 < error < 0.075 for error in errors.values()), errors
    assert 0.045 < np.mean(list(errors.values())) < 0.065


def test_sensor_noise_is_small() -> None:
    rails = draw_clip("normal", 4).frames[:, 62:, :].astype(np.float32) / 255  # nothing moves there
    assert 0.004 < rails.std(axis=0).mean() < 0.008


def test_a_line_does_not_depend_on_what_else_is_drawn() -> None:
    alone = list(draw_line(2, seed=8, frames=3, states=("slip",)))
    among = [clip for clip in draw_line(2, seed=8, frames=3) if clip.label == "slip"]
    assert [clip.name for clip in alone] == ["slip_000", "slip_001"]
    for one, other in zip(alone, among, strict=True):
        assert np.array_equal(one.frames, other.frames)


def test_written_clips_read_back_exactly_and_repeat_byte_for_byte(tmp_path: Path) -> None:
    drawn = list(draw_line(2, seed=1, frames=4, states=("normal", "crack")))
    for folder in ("a", "b"):
        assert write_line(tmp_path / folder, iter(drawn)) == tmp_path / folder
    with (tmp_path / "a" / "labels.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["file", "label", "split", "onset", "mask"]
    assert [row["split"] for row in rows] == ["train", "train", "test", "test"]
    for clip, row in zip(drawn, rows, strict=True):
        assert row["label"] == clip.label
        assert row["onset"] == ("" if clip.onset is None else str(clip.onset))
        assert np.array_equal(read(tmp_path / "a" / row["file"], "rgb24"), clip.frames)
        mask = read(tmp_path / "a" / row["mask"], "gray")
        assert np.array_equal(mask == 255, clip.defect_masks)
        assert np.array_equal(mask > 0, clip.part_masks)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"label": "melt"}, "label: expected one of normal, jam"),
        ({"size": 32}, "size: expected 64 to 256"),
        ({"size": 512}, "size: expected 64 to 256"),
        ({"frames": 1}, "frames: expected at least 2"),
        ({"look": "oil"}, "look: expected one of plain, textured"),
        ({"look": "textured", "size": 64}, "size: expected 192 to 960"),
    ],
    ids=["label", "small", "large", "short", "look", "small for its look"],
)
def test_impossible_clips_are_refused(options: dict[str, object], problem: str) -> None:
    settings = {"label": "jam", "seed": 0} | options
    with pytest.raises(SettingsError, match=problem):
        draw_clip(**settings)  # type: ignore[arg-type]


def test_a_smaller_line_replaces_a_larger_one(tmp_path: Path) -> None:
    write_line(tmp_path, draw_line(2, 1, 4, 64, ("jam",)))
    (tmp_path / "jam_0012.mkv").write_bytes(b"of the user, without masks")
    write_line(tmp_path, draw_line(1, 1, 4, 64, ("jam",)))
    assert sorted(path.name for path in tmp_path.glob("*.mkv")) == ["jam_000.mkv", "jam_0012.mkv"]


def test_plain_clips_stay_what_they_were() -> None:
    """The ids of sample sets are hashes of their clips."""
    clip = draw_clip("crack", 1, frames=6)
    assert clip.frames.mean((0, 1, 2)) == pytest.approx([80.2556, 90.4083, 105.0634], abs=2e-4)
    assert clip.part_masks.sum() == 3947
    assert clip.defect_masks.sum() == 128
    row = [231, 128, 85, 99, 152, 92, 181, 171, 97, 221, 115, 153, 205, 89, 218, 240]
    assert np.abs(clip.frames[3, 20, 20:36, 1].astype(int) - row).max() <= 1


def test_a_textured_line_is_wide_and_its_parts_enter_and_leave() -> None:
    clip = draw_clip("normal", 1, frames=8, size=240, look="textured")
    assert clip.frames.shape == (8, 160, 240, 3)
    assert clip.part_masks.shape == clip.defect_masks.shape == (8, 160, 240)
    areas = clip.part_masks.sum(axis=(1, 2))
    assert areas[[0, -1]].max() < 0.8 * areas.max()
    assert draw_clip("normal", 1, frames=2, look="textured").frames.shape == (2, 320, 480, 3)


def test_textured_parts_and_belts_have_details() -> None:
    plain = draw_clip("normal", 1, frames=3, size=240)
    textured = draw_clip("normal", 1, frames=3, size=240, look="textured")

    def details(clip: LineClip) -> list[float]:
        grey = cv2.cvtColor(clip.frames[1], cv2.COLOR_RGB2GRAY)
        slope = np.abs(cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), 1), cv2.CV_32F))
        return [float(slope[mask].mean()) for mask in (clip.part_masks[1], ~clip.part_masks[1])]

    assert all(
        rich > 1.5 * poor for rich, poor in zip(details(textured), details(plain), strict=True)
    )


def test_layers_follow_a_textured_part() -> None:
    clip = draw_clip("normal", 1, frames=12, look="textured")
    seen = observe(clip.frames)
    assert not seen.failure
    assert seen.coverage > 0.9
    masks = np.any([carried(track.mask, track) for track in seen.tracks], axis=0)
    shown = clip.part_masks[3:9]
    assert (masks[3:9] & shown).sum() / (masks[3:9] | shown).sum() > 0.9


def test_a_line_of_no_clips_is_refused() -> None:
    with pytest.raises(SettingsError, match="clips_per_state: expected at least 1, got 0"):
        list(draw_line(0, seed=0))
