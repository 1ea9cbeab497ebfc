"""Clips reduced to the keypoints of their parts, which are followed with nothing trained."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
from torch import Tensor

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError
from flawcast.configs.window_lengths import WindowLengths
from flawcast.generators.backbones.layers.backbone import LayersBackbone
from flawcast.generators.backbones.layers.plate import Plate
from flawcast.generators.clips import Clip, ClipEntry, read_entry
from flawcast.generators.clips.times import pieces_in_time, pieces_of


@dataclass(frozen=True)
class Followed:
    """A clip, reduced to the keypoints of its parts and its background.

    Args:
        id: The clip's id.
        name: Its name.
        keypoints: Those of the frames in which its parts were measured, (T, D).
        plate: Its background.
    """

    id: str
    name: str
    keypoints: Tensor
    plate: Plate


def follow_clips(
    entries: Sequence[ClipEntry],
    settings: ClipSettings,
    backbone: LayersBackbone,
    threads: int,
    say: Callable[[str], None],
    lengths: WindowLengths | None = None,
) -> list[Followed]:
    """Keypoints of every clip whose parts can be followed.

    Args:
        entries: The clips.
        settings: How they are read.
        backbone: Follows their parts.
        threads: How many clips are followed at the same time.
        say: Takes a line for each clip that cannot be followed.
        lengths: Of windows that are asked for in seconds; None where they are not.

    Raises:
        ClipError: If none can.
    """

    def follow(entry: ClipEntry) -> Followed | str:
        try:
            clip: Clip = read_entry(entry, settings)
            context = backbone.observe(clip.frames)
        except ClipError as error:
            reason = str(error)
            return reason if entry.name in reason else f"{entry.name}: {reason}"
        kept = _longest(context.measured(), _pieces(clip, lengths))
        return Followed(clip.id, clip.name, context.keypoints()[kept], context.seen.plate)

    followed: list[Followed] = []
    reasons: list[str] = []
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the clips are what is done at the same time
    try:
        with ThreadPoolExecutor(threads) as pool:
            for result in pool.map(follow, entries):
                if isinstance(result, Followed):
                    followed.append(result)
                else:
                    reasons.append(result)
                    say(f"not followed: {result}")
    finally:
        cv2.setNumThreads(before)
    if not followed:
        raise ClipError(
            f"clips: expected a part that can be followed, found none in {len(entries)} clips, "
            f"for instance {reasons[0]}"
        )
    return followed


def _pieces(clip: Clip, lengths: WindowLengths | None) -> list[tuple[int, int]]:
    """Stretches of a clip between pauses of the camera, at the rate that was asked for."""
    if lengths is None:
        return pieces_of(len(clip.frames), clip.gaps)
    return pieces_in_time(clip.times, len(clip.frames), clip.gaps, lengths)


def _longest(measured: slice, pieces: Sequence[tuple[int, int]]) -> slice:
    """The longest part of a stretch that lies in one of some pieces; perhaps empty."""
    parts = [(max(first, measured.start), min(end, measured.stop)) for first, end in pieces]
    first, end = max(parts, key=lambda part: part[1] - part[0], default=(0, 0))
    return slice(first, max(first, end))
