"""Windows that are asked for in seconds: the number of frames that all clips of a folder share."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import TypeVar

from flawcast.configs.errors import SettingsError
from flawcast.configs.window_lengths import WindowLengths
from flawcast.flows.generate.request import GenerateRequest
from flawcast.generators.clips import list_clips
from flawcast.generators.clips.rates import Rate, rates_of

FEWEST = {"past": 1, "future": 2}
UNLIKE = 0.1  # share by which a window may be longer or shorter than was asked for
ROUNDED = 0.6  # of a frame: rounding alone makes half of one

Lengths = TypeVar("Lengths", bound=WindowLengths)


def in_frames(lengths: Lengths, folder: Path, stride: int = 1) -> Lengths:
    """The same lengths with frames for those parts that are asked for in seconds.

    Args:
        lengths: As the user gave them.
        folder: The clips.
        stride: Every n-th frame is kept.

    Raises:
        SettingsError: If a clip has no rate, the rates differ too much, or a time is too short.
    """
    if not lengths.open_parts:
        return lengths
    rates = rates_of(list_clips(folder))
    return with_rates(lengths, rates, stride) if rates else lengths  # reading them says why


def request_in_frames(request: GenerateRequest, stride: int = 1) -> GenerateRequest:
    """A request with frames for windows that are asked for in seconds.

    Args:
        request: Of `generate` or `augment`.
        stride: As the request's model reads clips.

    Raises:
        FlawcastError: If the clips share no such number of frames.
    """
    settings = in_frames(request.settings, request.clips, stride)
    if settings is request.settings:
        return request
    return request.model_copy(update={"settings": settings})


def with_rates(lengths: Lengths, rates: Mapping[str, Rate], stride: int = 1) -> Lengths:
    """As `in_frames`, for clips whose rates are known.

    Raises:
        SettingsError: If a clip has no rate, the rates differ too much, or a time is too short.
    """
    update = {
        name: frames_of(name, getattr(lengths, f"{name}_seconds"), rates, stride)
        for name in lengths.open_parts
    }
    return lengths.model_copy(update=update)


def frames_of(name: str, seconds: float, rates: Mapping[str, Rate], stride: int) -> int:
    """The number of frames that lasts so long in every clip.

    Args:
        name: "past" or "future".
        seconds: How long it shall be.
        rates: Frames per second by a clip's name; None where nothing says when frames were taken.
        stride: Every n-th frame is kept.

    Raises:
        SettingsError: If there is no such number.

    Example:
        >>> frames_of("past", 0.5, {"a.mkv": 25.0, "b.mkv": 24.0}, stride=1)
        12
    """
    timeless = [clip for clip, rate in rates.items() if not rate]
    if timeless:
        raise SettingsError(
            f"{name}: expected frames for clips without times, got {seconds:g} s; {timeless[0]} "
            "is made of pictures, and nothing says when they were taken: give a number of frames"
        )
    kept = {clip: rate / stride for clip, rate in rates.items() if rate}
    count = int(seconds * median(kept.values()) + 0.5)
    for clip, rate in kept.items():
        if abs(count - seconds * rate) > max(UNLIKE * seconds * rate, ROUNDED):
            slow, fast = min(kept, key=kept.__getitem__), max(kept, key=kept.__getitem__)
            raise SettingsError(
                f"{name}: expected clips of about one rate, {slow} has {kept[slow]:g} frames/s "
                f"and {fast} {kept[fast]:g}: {seconds:g} s are {seconds * kept[slow]:g} and "
                f"{seconds * kept[fast]:g} frames; give a number of frames, or put {clip} and "
                "those of its rate into a folder of their own"
            )
    if count < FEWEST[name]:
        raise SettingsError(
            f"{name}: expected at least {FEWEST[name]} frame{'s' * (FEWEST[name] > 1)}, "
            f"{seconds:g} s are {count} at {median(kept.values()):g} frames/s; give a longer time"
        )
    return count
