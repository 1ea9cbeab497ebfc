"""The settings of a training from what a user says of it."""

from typing import Any

from flawcast.configs.adapt_settings import AdaptTraining
from flawcast.configs.errors import SettingsError
from flawcast.configs.model_card import read_card
from flawcast.configs.preset_files import load_preset
from flawcast.configs.settings import TrainSettings
from flawcast.generators.model import find_model

USUAL = "small"


def train_settings(
    preset: str | None, backbone: str | None, adapt: bool, changes: dict[str, Any]
) -> TrainSettings:
    """Settings of `flawcast train`.

    Args:
        preset: Name or file; None for the usual one, or for the sizes of the model that is
            adapted.
        backbone: Whose preset.
        adapt: Whether a FOMM learns from self-made pairs.
        changes: Values by dotted path; "steps" and "minutes" are those of the stage that learns
            motion. None leaves a value as it is.

    Raises:
        SettingsError: If they do not fit each other.
        ModelError: If the model to start from is absent.
    """
    changes = dict(changes)
    steps, minutes, start = changes.pop("steps"), changes.pop("minutes"), changes.get("start")
    if adapt and start is not None and preset is None and backbone in (None, "fomm"):
        settings = read_card(find_model(start)).settings
        settings = settings.model_copy(update={"line": None, "avd": None})
    else:
        settings = load_preset(preset or USUAL, backbone)
    if adapt and settings.adapt is None:
        settings = settings.model_copy(update={"adapt": AdaptTraining()})
    if minutes is not None and settings.adapt is None:
        raise SettingsError(
            "minutes: expected --adapt or --backbone layers, got a training by --steps; "
            "leave --minutes out"
        )
    stage = "motion" if settings.adapt is None else "adapt"
    return settings.overridden(
        {**changes, f"{stage}.steps": steps, **({"adapt.minutes": minutes} if minutes else {})}
    )
