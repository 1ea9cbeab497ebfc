"""The detectors of the experiment, one file each, found by name."""

from flows.uplift.detectors.base import DETECTORS, Lesson, Verdict

__all__ = ["DETECTORS", "Lesson", "Verdict"]
