"""Which of two observations of a clip to use: by tracking, or by a detector that was adapted."""

from dataclasses import replace

from flawcast.generators.backbones.layers.observation import Observation

LEAST_LEARNT = 0.25  # share of the moving area that a detector's part must explain


def with_detector(tracked: Observation, detected: Observation) -> Observation:
    """The detector's observation where tracking has failed and it does better; else tracking's.

    A camera that shakes, or things that nobody follows, make much of a clip move. So less coverage
    is enough for a part that a detector was trained to find.

    Args:
        tracked: By corners; it has failed.
        detected: By the detector.
    """
    if not detected.tracks or detected.coverage <= tracked.coverage:
        return tracked
    if detected.coverage < LEAST_LEARNT:
        return replace(
            detected,
            failure=f"the adapted detector covers {detected.coverage:.0%} of the moving area; "
            "train it on more clips of this line, or with more --steps",
        )
    note = f"found by the adapted detector: {detected.coverage:.0%} of the moving area"
    return replace(detected, failure="", notes=(*detected.notes, note))
