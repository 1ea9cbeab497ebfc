"""The detectors of the experiment, one file each, found by name."""

from flawcast.flows.uplift.detectors.base import DETECTORS, Detector, Lesson, Verdict

__all__ = ["DETECTORS", "Detector", "Lesson", "Verdict"]
