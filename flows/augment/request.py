"""The request of `flawcast augment`: that of `generate`, and the recipe."""

from pathlib import Path

from pydantic import Field

from flawcast.configs.driving import Driving
from flawcast.configs.settings import GenerateSettings, Mode
from flawcast.flows.generate.request import GenerateRequest

MOTIONS = 2  # videos of a set: where possible a real motion and a sampled one, on one source
RECIPE = GenerateSettings(samples=MOTIONS, keep=MOTIONS, driving=Driving())


class AugmentRequest(GenerateRequest):
    """Where to read and write, and how many samples of each label.

    Args:
        modes: "transfer", which is the recipe, or "reconstruction", for comparison.
        settings: What a set holds; past and future default to those of the model's training.
        per_label: Videos of each label; an odd number is rounded up.
        normal: The label of good clips, whose frames are animated.
        only: Ids of the clips to use; None for all clips to train on.
        misses: A detector's scores of clips to validate on: more is drawn of what it misses. None
            draws evenly.
    """

    modes: tuple[Mode, ...] = ("transfer",)
    settings: GenerateSettings = RECIPE
    per_label: int = Field(default=40, ge=2)
    normal: str = "normal"
    only: tuple[str, ...] | None = None
    misses: Path | None = None

    @property
    def driving(self) -> Driving:
        """Which motions a set holds."""
        return self.settings.driving or Driving()
