"""The second half of clips, drawn by what the first half shows: by tracking, or by a detector."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import ClipError
from flawcast.generators.backbones.layers.background import enlarged
from flawcast.generators.backbones.layers.model import appearance, best_sources, render
from flawcast.generators.backbones.layers.observation import Finder, follow_on, observe

Video = NDArray[np.uint8]
Masks = NDArray[np.bool_]

SOURCES = 3  # frames that a part is cut from
FEWEST_PAST = 4  # frames that a second half needs before it


@dataclass(frozen=True)
class Halves:
    """Second halves of clips.

    Args:
        metrics: Mean errors by name; empty where no clip is long enough.
        videos: Real and drawn second halves, RGB, (F, H, W, 3) each.
    """

    metrics: dict[str, float]
    videos: tuple[tuple[Video, Video], ...]


def drawn_second_half(truth: Video, finder: Finder | None) -> Video:
    """Draw the second half of a clip; its frames say only where the part is.

    Args:
        truth: The clip, RGB, (T, H, W, 3).
        finder: Finds the part; None to follow its corners.

    Returns:
        (F, H, W, 3); the plate alone where no part is found in the first half.
    """
    past = (len(truth) + 1) // 2
    seen = observe(truth, past, finder=finder)
    if not seen.tracks:
        return np.repeat(seen.plate.image[None], len(truth) - past, axis=0)
    try:
        sources = best_sources(seen, SOURCES)
    except ClipError:  # hardly a frame shows the part
        sources = [seen.tracks[0].source]
    look = appearance(seen, truth[:past], sources)
    return render(look, follow_on(seen, truth, finder)[past:]).frames


def moving_second_half(truth: Video) -> Masks:
    """Where the second half differs from the background of the whole clip, (F, H, W).

    It is the part that should be drawn, whatever finds it.
    """
    past = (len(truth) + 1) // 2
    return enlarged(observe(truth).moving[past:], truth.shape[1:3])


def errors(drawn: Video, truth: Video, part: Masks | None = None) -> float:
    """Mean absolute error on the [0, 1] scale, of all pixels or those of a part."""
    gaps = np.stack(
        [np.asarray(cv2.absdiff(a, b)).mean(-1) for a, b in zip(drawn, truth, strict=True)]
    )
    return float((gaps if part is None else gaps[part]).mean()) / 255


def score_second_halves(clips: Sequence[Video], finder: Finder) -> Halves:
    """Mean error of second halves as a detector draws them, and of repeating the last frame."""
    drawings, found, still = [], [], []
    for truth in clips:
        past = (len(truth) + 1) // 2
        if past < FEWEST_PAST:
            continue
        drawn, later = drawn_second_half(truth, finder), truth[past:]
        drawings.append((later, drawn))
        found.append(errors(drawn, later))
        still.append(errors(np.broadcast_to(truth[past - 1], later.shape), later))
    if not found:
        return Halves({}, ())
    means = {
        "reconstruction_mae": float(np.mean(found)),
        "copy_first_frame_mae": float(np.mean(still)),
    }
    return Halves(means, tuple(drawings))
