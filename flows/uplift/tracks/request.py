"""What `flawcast uplift-tracks` compares, as settings."""

from pathlib import Path

from pydantic import Field

from flawcast.configs.settings import Settings


class TracksRequest(Settings):
    """What is compared.

    Args:
        clips: Clips of one fixed camera; a mask video tells where the anomalies are.
        out: Folder for results; an interrupted run goes on there.
        normal: The label of clips without anomalies.
        k: Numbers of clips with anomalies to learn from.
        seeds: How often the clips are drawn.
        good: Clips without anomalies to learn from; the others are tested on.
        every: Every n-th frame is learnt from or tested on.
        made: Pictures of each arm with samples.
        past: Frames of a track that a forecaster sees.
        future: Frames that it samples.
        share: Synthetic share of the weight in training.
    """

    clips: Path
    out: Path
    normal: str = "normal"
    k: tuple[int, ...] = (1, 3)
    seeds: int = Field(5, ge=1)
    good: int = Field(3, ge=1)
    every: int = Field(10, ge=1)
    made: int = Field(80, ge=1)
    past: int = Field(8, ge=2)
    future: int = Field(12, ge=2)
    share: float = Field(0.5, gt=0, lt=1)
