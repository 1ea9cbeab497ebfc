"""The detectors of the experiment, one file each, found by name."""

from flawcast.configs.errors import MissingExtraError
from flawcast.flows.uplift.detectors.base import DETECTORS, Detector, Lesson, Verdict

__all__ = ["DETECTORS", "Detector", "Lesson", "Verdict", "default_detectors"]

STRONG, TINY = ("temporal", "memory", "tiny"), ("tiny", "tiny-one-class")


def default_detectors() -> tuple[str, ...]:
    """Those on pretrained features where these are installed, and a tiny one; else the tiny ones.

    Which one is best depends on the clips: on small ones a tiny network may be.
    """
    try:
        for name in STRONG:
            DETECTORS[name].check()
    except MissingExtraError:
        return TINY
    return STRONG
