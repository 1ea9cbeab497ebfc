"""The clips of a training: read whole, and divided by what they are for."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ClipError, SettingsError
from flawcast.configs.identity import derive_seed
from flawcast.configs.settings import TrainSettings
from flawcast.flows.generate.reading import OTHER_RATE
from flawcast.flows.running.display import Display
from flawcast.generators.clips import Reject, iter_clips
from flawcast.generators.clips.listing import TEST, VALIDATION
from flawcast.generators.clips.times import pieces_in_time
from flawcast.generators.line.clips import draw_line


@dataclass(frozen=True)
class TrainClip:
    """A clip, reduced to what training needs."""

    id: str
    name: str
    frames: NDArray[np.uint8]
    split: str


def read_clips(
    folder: Path | None, settings: TrainSettings, rejects: list[Reject], display: Display
) -> list[TrainClip]:
    """Read all clips, or render those of the built-in line."""
    clips = []
    with display.reading() as on_clip:
        if folder is not None:
            for clip in iter_clips(folder, settings.clips, 2, rejects.append):
                pieces = pieces_in_time(clip.times, len(clip.frames), clip.gaps, settings.forecast)
                if not pieces:
                    rejects.append(Reject(clip.name, OTHER_RATE))
                for number, (start, end) in enumerate(pieces, start=1):  # no window spans a gap
                    name = clip.name if len(pieces) == 1 else f"{clip.name}#{number}"
                    if end - start > 1:
                        piece = clip.frames[start:end]
                        clips.append(TrainClip(clip.id, name, piece, clip.split))
                for note in clip.notes:
                    display.note(Reject(clip.name, note))
                on_clip(clip.name)
        elif settings.line is None:
            raise SettingsError("clips: expected a folder of clips, got none; name one")
        else:
            line = settings.line
            for drawn in draw_line(
                line.clips_per_state, line.seed, line.frames, settings.clips.size
            ):
                clip_id = f"line-{hashlib.sha256(drawn.frames.tobytes()).hexdigest()[:16]}"
                clips.append(TrainClip(clip_id, drawn.name, drawn.frames, ""))
                on_clip(drawn.name)
    horizon = settings.forecast.past + settings.forecast.future
    if all(len(clip.frames) < horizon for clip in clips):
        longest = max((len(clip.frames) for clip in clips), default=0)
        raise ClipError(
            f"clips: expected one of at least past + future = {horizon} frames, the longest has "
            f"{longest}; lower forecast.past and forecast.future or use longer clips"
        )
    return clips


def split_clips(
    clips: Sequence[TrainClip], settings: TrainSettings
) -> tuple[list[TrainClip], list[TrainClip], list[TrainClip]]:
    """Divide clips into training, validation and test clips.

    Test clips have the split "test"; if there are none, a random share of the training clips,
    chosen by the seed, takes their place. Validation clips have the split "val" and decide when
    training stops; if there are none, the test clips do. A single clip serves all three purposes.

    Raises:
        ClipError: If every clip is for testing or for validation, or one is in two splits.
    """
    _check_apart(clips)
    validation = [clip for clip in clips if clip.split == VALIDATION]
    test = [clip for clip in clips if clip.split == TEST]
    training = [clip for clip in clips if clip.split not in (TEST, VALIDATION)]
    if not training:
        raise ClipError(
            f"clips: expected some to learn from, got {len(clips)}, all of test or val; "
            "name a folder with others, or say their splits in labels.csv"
        )
    if not test:
        order = np.random.default_rng(derive_seed(settings.seed, "split")).permutation(
            len(training)
        )
        count = max(1, round(settings.held_out * len(training)))
        test = [training[index] for index in sorted(order[:count])]
        training = [clip for clip in training if clip not in test] or training
    return training, validation or test, test


def _check_apart(clips: Sequence[TrainClip]) -> None:
    """Refuse the same bytes in two splits: the copy for testing would be learnt from.

    Raises:
        ClipError: If a clip is in two splits under two names.
    """
    first: dict[str, TrainClip] = {}
    for clip in clips:
        other = first.setdefault(clip.id, clip)
        if other.split != clip.split:
            raise ClipError(
                f"clips: {other.name} ({other.split}) and {clip.name} ({clip.split}) have the same "
                "bytes, so one that is for testing would be learnt from; remove one of them"
            )
