"""The first stage of a training: the motion model, with its log, pictures and checkpoint."""

import csv
from collections.abc import Sequence
from pathlib import Path

from flawcast.configs.identity import content_id
from flawcast.configs.settings import TrainSettings
from flawcast.flows.pictures.reconstruction_sheet import SHEET, reconstruction_sheet
from flawcast.flows.running.display import Display
from flawcast.flows.train.clips import TrainClip
from flawcast.generators.backbones import MotionBackbone
from flawcast.generators.backbones.tps.model import TPS
from flawcast.generators.training.avd import train_avd
from flawcast.generators.training.checkpoint import Checkpoint
from flawcast.generators.training.motion import train_backbone

LOSSES = "motion_losses.csv"
LOSSES_EVERY = 10  # steps between rows of the table
PICTURES = 20  # progress pictures per training


def train_motion(
    backbone: MotionBackbone,
    training: Sequence[TrainClip],
    test: Sequence[TrainClip],
    settings: TrainSettings,
    workshop: Path,
    display: Display,
) -> None:
    """Train the backbone in place; an interrupted training continues from its checkpoint.

    Args:
        backbone: A model with initial weights, on the device to train on.
        training: Clips to train on.
        test: Clips that the progress pictures show.
        settings: The settings of the whole training.
        workshop: Folder for the checkpoint, the table of losses and the pictures.
        display: Shows steps and losses.
    """
    workshop.mkdir(parents=True, exist_ok=True)
    ids = sorted(clip.id for clip in training)
    settings_of_key = settings.model_dump(
        mode="json", include={"backbone", "start", "motion", "seed"}
    )
    key = content_id("training", clips=ids, **settings_of_key)
    checkpoint = Checkpoint(workshop / "checkpoint.safetensors", key)
    steps = settings.motion.total_steps(len(training))
    shown = [clip.frames for clip in test]
    losses = LossTable(workshop / LOSSES)
    with display.training("motion model", steps) as on_step:

        def progress(step: int, values: dict[str, float]) -> None:
            on_step(step, "  ".join(f"{name} {value:.3f}" for name, value in values.items()))
            if step == 1 or step % LOSSES_EVERY == 0:
                losses.add(step, values)
            if step % max(1, steps // PICTURES) == 0:
                backbone.eval()
                reconstruction_sheet(backbone, shown, workshop / SHEET)
                backbone.train()

        train_backbone(
            backbone,
            [clip.frames for clip in training],
            settings.motion,
            settings.seed,
            progress,
            checkpoint,
        )


def train_disentanglement(
    backbone: MotionBackbone,
    training: Sequence[TrainClip],
    settings: TrainSettings,
    workshop: Path,
    display: Display,
) -> None:
    """Train TPS's AVD network in place, if the settings ask for it and the model has one."""
    if settings.avd is None or not isinstance(backbone, TPS) or backbone.avd_network is None:
        return
    settings_of_key = settings.model_dump(
        mode="json", include={"backbone", "start", "motion", "avd", "seed"}
    )
    key = content_id("avd", clips=sorted(clip.id for clip in training), **settings_of_key)
    checkpoint = Checkpoint(workshop / "avd.safetensors", key)
    with display.training("AVD network", settings.avd.total_steps(len(training))) as on_step:
        train_avd(
            backbone,
            [clip.frames for clip in training],
            settings.motion,
            settings.avd,
            settings.seed,
            lambda step, losses: on_step(step, f"{sum(losses.values()):.3f}"),
            checkpoint,
        )


class LossTable:
    """Losses by step in a CSV file, complete after every row; a continued training adds to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[list[str]] = []
        if path.is_file():
            with path.open(newline="") as stream:
                self.rows = [row for row in csv.reader(stream) if row and row[0].isdigit()]

    def add(self, step: int, losses: dict[str, float]) -> None:
        """Add a row; it replaces rows of this and later steps left by an interrupted training."""
        row = [str(step), *(f"{value:.5f}" for value in losses.values())]
        again = bool(self.rows) and int(self.rows[-1][0]) >= step
        self.rows = [old for old in self.rows if int(old[0]) < step] if again else self.rows
        self.rows.append(row)
        fresh = again or len(self.rows) == 1
        with self.path.open("w" if fresh else "a", newline="") as stream:
            table = csv.writer(stream)
            table.writerows([["step", *losses], *self.rows] if fresh else [row])
