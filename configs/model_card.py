"""A model's card: how it was made, on which clips, and how well it does. Needs no torch."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field

from flawcast.configs.errors import ModelError, SettingsError
from flawcast.configs.frozen import Settings
from flawcast.configs.settings import TrainSettings, validated

CARD = "card.json"
FORMAT = "flawcast-model"
VERSION = 1


class _Part(Settings):
    """Part of a card; what a later flawcast adds to it is passed over."""

    model_config = ConfigDict(extra="ignore")


class Versions(_Part):
    """What a model was made with."""

    flawcast: str
    torch: str
    python: str

    @classmethod
    def installed(cls) -> "Versions":
        """Those of this process."""
        return cls(
            flawcast=version("flawcast"),
            torch=version("torch"),
            python=platform.python_version(),
        )


class Imported(_Part):
    """Where published weights come from.

    Args:
        file: Name of the checkpoint.
        sha256: SHA-256 of the file's bytes.
        configuration: Name of the official configuration.
    """

    file: str
    sha256: str
    configuration: str


class Card(_Part):
    """What stands beside a model's weights.

    Args:
        settings: What the model was trained with.
        clips: Ids of the clips that it learnt from, by name.
        held_out: Ids of the clips that it was measured on, by name.
        left_out: Ids of the clips that each further forecaster has not seen, by its folder.
        motion_clips: Ids of the clips that the motion model learnt from, by name; None where they
            are `clips`.
        metrics: Figures on the held-out clips, by name.
        seconds: How long the training took; None for weights that were imported.
        versions: What it was made with.
        imported: Where the motion model's weights come from; None for those trained here.
    """

    settings: TrainSettings
    clips: dict[str, str] = Field(default_factory=dict)
    held_out: dict[str, str] = Field(default_factory=dict)
    left_out: dict[str, tuple[str, ...]] | None = None
    motion_clips: dict[str, str] | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    seconds: float | None = None
    versions: Versions | None = None
    imported: Imported | None = None

    @property
    def learnt_by_motion_model(self) -> dict[str, str]:
        """Ids of the clips that the motion model learnt from, by name."""
        return self.clips if self.motion_clips is None else self.motion_clips

    def write(self, folder: Path) -> None:
        """Write the card into a model folder."""
        said = self.model_dump(mode="json")
        known = {name: value for name, value in said.items() if value is not None}
        whole: dict[str, Any] = {"format": FORMAT, "version": VERSION, **known}
        (folder / CARD).write_text(json.dumps(whole, indent=2, sort_keys=True) + "\n")


def read_card(folder: Path) -> Card:
    """Read a model's card without its weights.

    Raises:
        ModelError: If the folder has none, or one that this code does not read.
    """
    wanted = f"model: expected a folder written by flawcast train, with {CARD}"
    path = folder / CARD
    if not path.is_file():
        raise ModelError(f"{wanted}, found none in {folder}; train a model or name its folder")
    try:
        card = json.loads(path.read_text())
    except ValueError as error:
        raise ModelError(f"{wanted}, cannot read {path}: {error}; train it again") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ModelError(f"{wanted}, {path} is something else")
    if card.get("version") != VERSION:
        raise ModelError(
            f"model: expected card version {VERSION}, found {card.get('version')} in {path}; "
            "use the flawcast that wrote it or train it again"
        )
    try:
        return validated(Card, card, f"model: {path}")
    except SettingsError as error:
        raise ModelError(str(error)) from None
