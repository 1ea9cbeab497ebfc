"""The detectors of the experiment, one file each, found by name."""

from flawcast.configs.errors import MissingExtraError
from flawcast.flows.uplift.detectors.base import DETECTORS, Detector, Lesson, Verdict

__all__ = ["DETECTORS", "Detector", "Lesson", "Verdict", "default_detectors"]

STRONG, TINY = ("temporal", "memory"), ("tiny", "tiny-one-class")


def default_detectors() -> tuple[str, ...]:
    """Those on pretrained features where these are installed, else the tiny ones."""
    try:
        for name in STRONG:
            DETECTORS[name].check()
    except MissingExtraError:
        return TINY
    return STRONG
