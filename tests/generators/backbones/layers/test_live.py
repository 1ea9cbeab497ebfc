"""Parts that are followed as frames come."""

import numpy as np
import pytest

from flawcast.configs.errors import NothingToFollowError
from flawcast.generators.backbones.layers.live import LiveFollower
from tests.flows.evaluation.moving_squares import moving_square

PAST = 12


def test_a_part_is_followed_and_nothing_that_comes_later_counts() -> None:
    video = moving_square(3)
    changed = video.copy()
    changed[24:] = 255 - changed[24:]
    runs = []
    for frames in (video[:26], changed[:26]):
        follower = LiveFollower()
        first = follower.start(frames[:PAST])
        runs.append([*first, *(follower.step(frame) for frame in frames[PAST:])])
    one, other = runs
    assert all(len(seen) == 1 for seen in one[4:])
    for before, after in zip(one[:24], other[:24], strict=True):
        for a, b in zip(before, after, strict=True):
            assert np.array_equal(a.keypoints, b.keypoints)
            assert (a.picture, a.outline) == (b.picture, b.outline)
    path = np.array([seen[0].keypoints[0] for seen in one[PAST:]])
    assert np.diff(path).mean() == pytest.approx(2 * 0.85 / 64, rel=0.25)  # 0.85 pixels a frame


def test_a_part_is_followed_across_dropped_frames() -> None:
    video = moving_square(4)
    follower = LiveFollower()
    follower.start(video[:PAST])
    for number in range(PAST, 18):
        before = follower.step(video[number])
    after = follower.step(video[21], gap=4)
    assert [one.part for one in after] == [one.part for one in before]
    assert after[0].sure
    assert after[0].keypoints[0] - before[0].keypoints[0] == pytest.approx(8 * 0.85 / 64, rel=0.4)


def test_after_a_pause_parts_are_new_and_the_background_is_still_known() -> None:
    video = moving_square(5)
    follower = LiveFollower()
    first = follower.start(video[:PAST])[-1]
    plate = follower.plate
    follower.forget()
    after = [follower.step(frame) for frame in video[30:34]]
    assert [len(seen) for seen in after] == [1, 1, 1, 1]
    assert {seen[0].part for seen in after} == {first[0].part + 1}
    assert after[3][0].keypoints[0] > after[0][0].keypoints[0]
    assert np.abs(follower.plate.astype(int) - plate).max() < 12


def test_a_picture_that_changes_all_over_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (PAST, 48, 48, 3)).astype(np.uint8)
    with pytest.raises(NothingToFollowError, match="whole picture"):
        LiveFollower().start(noise)
