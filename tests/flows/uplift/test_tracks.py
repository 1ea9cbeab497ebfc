"""Clips with masks: anomalies are followed, moved on their tracks, and scored on other clips."""

import json
from pathlib import Path

import numpy as np
import pytest

from flawcast.configs.errors import ClipError
from flawcast.flows.uplift.detectors import features
from flawcast.flows.uplift.tracks import TracksRequest, uplift_tracks
from flawcast.flows.uplift.tracks.arms import ARMS
from flawcast.flows.uplift.tracks.following import MaskedClip, read_masked, tracks_of
from flawcast.flows.uplift.tracks.making import TrackMaker, laid_over
from flawcast.flows.uplift.tracks.run import draw_clips
from flawcast.generators.clips.video_files import write_ffv1

HEIGHT, WIDTH, FRAMES, SPEED = 64, 96, 20, 3


def made_clip(number: int, anomalous: bool) -> MaskedClip:
    """A grey scene through which a dark cart drives."""
    rng = np.random.default_rng(number)
    frames = 150 + 5 * rng.standard_normal((FRAMES, HEIGHT, WIDTH, 3))
    masks = np.zeros((FRAMES, HEIGHT, WIDTH), bool)
    if anomalous:
        for time in range(FRAMES):
            left = 5 + SPEED * time
            masks[time, 20 + number : 32 + number, left : left + 16] = True
        frames[masks] -= 90
    name = f"{'bad' if anomalous else 'good'}_{number}"
    return MaskedClip(name, name, frames.clip(0, 255).astype(np.uint8), masks)


@pytest.fixture(scope="module")
def clips() -> list[MaskedClip]:
    return [made_clip(number, number < 4) for number in range(8)]


@pytest.fixture(scope="module")
def folder(clips: list[MaskedClip], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same clips as files."""
    folder = tmp_path_factory.mktemp("tracks")
    lines = ["file,label,mask"]
    for clip in clips:
        write_ffv1(folder / f"{clip.name}.mkv", clip.frames, 10)
        label, mask = "normal", ""
        if clip.anomalous:
            label, mask = "anomaly", f"{clip.name}_mask.mkv"
            write_ffv1(folder / mask, (255 * clip.masks).astype(np.uint8), 10)
        lines.append(f"{clip.name}.mkv,{label},{mask}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_an_anomaly_is_one_track(clips: list[MaskedClip]) -> None:
    (track,) = tracks_of(clips[1], 1, least=8)
    assert len(track.frames) == FRAMES
    assert np.allclose(np.diff(track.centres, axis=0), [SPEED, 0])
    assert not tracks_of(clips[5], 5, least=2)


def test_cut_outs_go_on_as_their_tracks_do(clips: list[MaskedClip]) -> None:
    maker = TrackMaker(clips[:2], clips[4:6], 12, past=6, future=4, seed=0)
    frames = maker.make("moved")
    assert len(frames) == 12
    for frame in frames:
        rows, columns = np.nonzero(frame.mask)
        assert 20 <= rows.min() <= rows.max() <= 33  # it drives straight on
        inside = frame.picture[frame.mask].mean()
        assert inside < frame.picture[~frame.mask].mean() - 50
        assert columns.max() - columns.min() == 15
    for frame in maker.make("placebos"):
        assert abs(frame.picture[frame.mask].mean() - frame.picture[~frame.mask].mean()) < 10
    again = TrackMaker(clips[:2], clips[4:6], 12, past=6, future=4, seed=0).make("moved")
    assert all(np.array_equal(a.picture, b.picture) for a, b in zip(frames, again, strict=True))


def test_a_region_that_leaves_the_picture_is_refused(clips: list[MaskedClip]) -> None:
    clip = clips[0]
    behind, mask = clips[4].frames[0], clip.masks[0]
    assert laid_over(behind, clip.frames[0], mask, np.array([-15.0, 0.0]), 1.0) is None
    frame = laid_over(behind, clip.frames[0], mask, np.array([4.0, 0.0]), 0.0)
    assert frame is not None
    assert np.array_equal(frame.mask, np.roll(mask, 4, axis=1))
    assert np.array_equal(frame.picture[~frame.mask], behind[~frame.mask])


def test_no_clip_is_on_both_sides(clips: list[MaskedClip]) -> None:
    few, more = (draw_clips(clips, k, 2, seed=3, most=2) for k in (1, 2))
    assert set(few.bad) < set(more.bad)
    assert few.tested == more.tested
    assert not {*more.bad, *more.good} & set(more.tested)
    with pytest.raises(ClipError, match="lower --k or --good"):
        draw_clips(clips, 4, 2, seed=3, most=4)


def test_clips_without_masks_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes((folder / "bad_0.mkv").read_bytes())
    (tmp_path / "labels.csv").write_text("file,label\na.mkv,anomaly\n")
    with pytest.raises(ClipError, match="expected masks of its anomalies"):
        read_masked(tmp_path, "normal")


@pytest.mark.slow
def test_moved_anomalies_are_found_on_other_clips(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "cache_folder", lambda: tmp_path / "features")
    request = TracksRequest(
        clips=folder, out=tmp_path / "out", k=(1,), seeds=2, good=2, made=8, past=6, future=4
    )
    values = uplift_tracks(request)
    rows = {row["arm"]: row for row in values["rows"]}
    assert set(rows) == set(ARMS)
    assert rows["+ moved, augmented"]["pixel_ap"] > 0.5
    assert rows["+ placebos as anomalies"]["pixel_ap"] < rows["+ moved, augmented"]["pixel_ap"]
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == values
    assert uplift_tracks(request) == values
