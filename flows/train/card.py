"""What stands beside a model that is being trained, and beside one that is finished."""

from collections.abc import Sequence
from pathlib import Path

from flawcast.configs.model_card import Card, Versions
from flawcast.configs.settings import TrainSettings
from flawcast.flows.train.clips import TrainClip


def workshop_of(folder: Path) -> Path:
    """The folder for checkpoints, beside the model folder that the training writes."""
    folder = folder.absolute()  # "." has no name
    return folder.with_name(f".{folder.name}.training")


def model_card(
    settings: TrainSettings,
    training: Sequence[TrainClip],
    test: Sequence[TrainClip],
    metrics: dict[str, float],
    seconds: float,
) -> Card:
    """Build the model's card."""
    return Card(
        settings=settings,
        clips={clip.name: clip.id for clip in training},
        held_out={clip.name: clip.id for clip in test},
        metrics={name: round(value, 6) for name, value in metrics.items()},
        seconds=round(seconds, 1),
        versions=Versions.installed(),
    )
