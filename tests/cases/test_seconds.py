"""Windows that are asked for in seconds: the frames that last so long, at the clips' own rate."""

from pathlib import Path

import numpy as np
import pytest

from flawcast.configs.errors import SettingsError
from flawcast.configs.settings import ForecastTraining, GenerateSettings, TrainSettings, validated
from flawcast.configs.window_lengths import WindowLengths
from flawcast.flows.evaluation.horizon import horizons, without_times
from flawcast.flows.generate.plan import plan_sets
from flawcast.flows.generate.request import GenerateRequest, request_from_options
from flawcast.flows.generate.seconds import frames_of, in_frames
from flawcast.flows.running.display import Display
from flawcast.flows.train.clips import read_clips
from flawcast.generators.clips import Reject
from flawcast.generators.clips.rates import clip_rate
from flawcast.generators.clips.times import pieces_in_time
from flawcast.generators.clips.video_files import write_video
from tests.cases.test_cameras import write_timed
from tests.generators.clips.clip_files import SMALL, moving

HALF = {"past": "0.5s", "future": "1s"}
FEW = {"samples": 2, "keep": 2}


def asked(**values: object) -> GenerateSettings:
    """Settings of sets."""
    return validated(GenerateSettings, FEW | values, "options")


def lasting(frames: int, seconds: float) -> WindowLengths:
    """Windows that were asked for in seconds and have got their frames."""
    lengths = WindowLengths(past_seconds=seconds, future_seconds=seconds)
    return lengths.model_copy(update={"past": frames, "future": frames})


@pytest.mark.parametrize(("rate", "frames"), [(10, (5, 10)), (25, (13, 25)), (30, (15, 30))])
def test_seconds_are_frames_at_the_clips_rate(
    rate: int, frames: tuple[int, int], tmp_path: Path
) -> None:
    write_video(tmp_path / "a.mkv", moving(), rate)
    settings = in_frames(asked(**HALF), tmp_path)
    assert (settings.past, settings.future) == frames
    # The same sets, whichever way they are asked for.
    same = GenerateSettings(past=frames[0], future=frames[1], samples=2, keep=2)
    assert settings.model_dump(mode="json") == same.model_dump(mode="json")


def test_a_stride_halves_the_frames(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mkv", moving(), 20)
    assert in_frames(asked(past="400ms"), tmp_path, stride=2).past == 4


def test_frames_are_what_they_were(tmp_path: Path) -> None:
    settings = asked(past="4", future=6)
    assert in_frames(settings, tmp_path / "no clips are read") is settings
    assert (settings.past, settings.future) == (4, 6)
    assert "past_seconds" not in settings.model_dump()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"past": "0.5"}, "past: expected frames, such as 12, or a time, such as 0.5s or 500ms"),
        ({"future": "1 hour"}, "future: expected frames"),
        ({"past": "-1s"}, "past: expected frames"),
        ({"past": "0s"}, "past_seconds: input should be greater than 0"),
        ({"past": "0"}, "past: input should be greater than or equal to 1"),
        ({"future": 1}, "future: input should be greater than or equal to 2"),
        ({"past": 4, "past_seconds": 0.5}, "past: expected frames or seconds, got both"),
    ],
)
def test_what_is_no_length_is_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        asked(**values)


def test_clips_of_unlike_rates_share_no_number_of_frames(tmp_path: Path) -> None:
    write_video(tmp_path / "slow.mkv", moving(), 15)
    write_video(tmp_path / "fast.mkv", moving(), 30)
    with pytest.raises(
        SettingsError, match=r"slow.mkv has 15 frames/s and fast.mkv 30: 0.5 s are 7.5 and 15"
    ):
        in_frames(asked(past="0.5s"), tmp_path)
    assert frames_of("past", 0.5, {"a": 29.97, "b": 30.0}, 1) == 15


def test_a_time_of_less_than_the_fewest_frames_is_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mkv", moving(), 10)
    with pytest.raises(SettingsError, match=r"future: expected at least 2 frames, 0.1 s are 1 at"):
        in_frames(asked(future="0.1s"), tmp_path)


def test_pictures_have_no_seconds(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mkv", moving(), 10)
    (tmp_path / "b").mkdir()
    from PIL import Image

    for number, frame in enumerate(moving()):
        Image.fromarray(frame).save(tmp_path / "b" / f"{number}.png")
    with pytest.raises(SettingsError, match=r"b is made of pictures.*give a number of frames"):
        in_frames(asked(past="0.5s"), tmp_path)


def test_a_gifs_rate_is_that_of_its_pages(tmp_path: Path) -> None:
    from PIL import Image

    pages = [Image.fromarray(frame) for frame in moving()]
    pages[0].save(tmp_path / "a.gif", save_all=True, append_images=pages[1:], duration=50)
    assert clip_rate(tmp_path / "a.gif") == pytest.approx(20)


def test_windows_of_a_camera_that_slows_down_last_as_long_as_was_asked(tmp_path: Path) -> None:
    """Thirty frames at 30 a second, then forty at 15: half a second is 8 frames of these alone."""
    times = [round(n * 1000 / 30) for n in range(30)]
    times += [1000 + round(n * 1000 / 15) for n in range(40)]
    write_timed(tmp_path / "dim.mkv", times)
    settings = in_frames(asked(past="0.5s", future="0.5s"), tmp_path)
    assert (settings.past, settings.future) == (8, 8)
    plan = plan_sets(tmp_path, None, ("reconstruction",), settings, SMALL, "w")
    starts = [one.window.start for one in plan.sets]
    assert len(starts) == 2
    for start in starts:
        for first, end in ((start, start + 8), (start + 8, min(start + 16, 69))):
            assert (times[end] - times[first]) / (end - first) * 8 == pytest.approx(500, rel=0.2)
    training = TrainSettings(
        clips=SMALL, forecast=in_frames(ForecastTraining.model_validate(HALF), tmp_path)
    )
    (piece,) = read_clips(tmp_path, training, [], Display.silent())
    assert 36 <= len(piece.frames) <= 45


def test_a_clip_of_another_rate_throughout_is_left_out() -> None:
    lengths = lasting(2, 0.2)
    slow = np.arange(20) * 0.3
    assert pieces_in_time(slow, 20, [], lengths) == []
    assert pieces_in_time(np.arange(20) * 0.1, 20, [7], lengths) == [(0, 7), (7, 20)]
    assert pieces_in_time(None, 20, [7], lengths) == [(0, 7), (7, 20)]


def test_one_dropped_frame_does_not_matter() -> None:
    times = np.delete(np.arange(40) * 0.1, [17])
    lengths = lasting(6, 0.6)
    assert pieces_in_time(times, len(times), [], lengths) == [(0, 39)]


def test_requests_keep_their_seconds_on_their_way_to_a_served_run() -> None:
    request = request_from_options(
        clips=Path("clips"), model=None, store="store", mode="both", settings=HALF | FEW
    )
    assert request.settings.open_parts == ("past", "future")
    again = GenerateRequest.model_validate(request.model_dump(mode="json"))
    assert again.settings.past_seconds == 0.5
    assert again.settings.open_parts == ("past", "future")


def test_an_option_takes_the_place_of_a_presets_seconds() -> None:
    preset = TrainSettings.model_validate({"forecast": HALF})
    forecast = preset.overridden({"forecast.past": "6"}).forecast
    assert (forecast.past, forecast.past_seconds, forecast.future_seconds) == (6, None, 1.0)
    assert preset.overridden({"forecast.past": "0.2s"}).forecast.past_seconds == 0.2


def test_horizons_may_be_times(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mkv", moving(), 10)
    wanted = horizons("0.5s-1s, 4-4")
    assert [str(horizon) for horizon in wanted] == ["0.5s-1s", "4-4"]
    assert [str(in_frames(horizon, tmp_path)) for horizon in wanted] == ["5-10", "4-4"]
    with pytest.raises(SettingsError, match=r"keypoint files, which have no times, got 0\.5s-1s"):
        without_times(wanted)


def test_rejected_clips_say_why(tmp_path: Path) -> None:
    """A pause-like change of rate in the middle leaves no window of the asked length."""
    times = [n * 100 for n in range(5)] + [400 + n * 40 for n in range(1, 6)]
    write_timed(tmp_path / "odd.mkv", times)
    write_timed(tmp_path / "usual.mkv", [n * 100 for n in range(20)])
    settings = asked(past=4, future=4).model_copy(
        update={"past_seconds": 0.4, "future_seconds": 0.4}
    )
    plan = plan_sets(tmp_path, None, ("reconstruction",), settings, SMALL, "w")
    rejects: tuple[Reject, ...] = plan.rejects
    assert [item.name for item in rejects] == ["odd.mkv"]
    assert "no window lasts as long as was asked for" in rejects[0].reason
