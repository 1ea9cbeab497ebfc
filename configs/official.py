"""Official configuration files of FOMM, TPS and face-vid2vid, read as our settings."""

import re
from typing import Any

from flawcast.configs.errors import SettingsError

Values = dict[str, Any]


def is_official(values: Any) -> bool:
    """Whether these values have the form of an official configuration file."""
    return isinstance(values, dict) and "model_params" in values


def backbone_of(values: Values) -> str:
    """The backbone of an official configuration, recognised by its sub-networks.

    Raises:
        SettingsError: If it describes no known backbone.
    """
    model = _section(values, "model_params")
    if "num_tps" in _section(model, "common_params"):
        return "tps"
    if "he_estimator_params" in model:
        return "vid2vid"
    if "kp_detector_params" in model:
        return "fomm"
    raise SettingsError(
        "configuration: expected model_params of FOMM, TPS or face-vid2vid, found "
        f"{', '.join(map(str, model)) or 'none'}; use the official file as it is"
    )


def from_official(values: Values, name: str = "") -> Values:
    """Translate an official configuration into values for `TrainSettings`.

    Parts that concern only the original's own files and pictures are left out.

    Args:
        values: The parsed file.
        name: Name of the file, e.g. `ted-384`: TPS's files give the frame size only there.

    Returns:
        Plain values for `TrainSettings`.

    Raises:
        SettingsError: If a section or a number does not have the form of the official files.
    """
    backbone = backbone_of(values)
    model = dict(_section(values, "model_params"))
    discriminator = model.pop("discriminator_params", {})
    data = _section(values, "dataset_params")
    try:
        motion = _motion(_section(values, "train_params"), _section(data, "augmentation_params"))
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise SettingsError(
            f"configuration: train_params: {error}; use the official file as it is"
        ) from None
    shape = data.get("frame_shape") or data.get("image_shape") or _size_in(name)
    settings = {
        "clips": {"size": shape[0] if isinstance(shape, list) else shape},
        "backbone": {"name": backbone, "config": model},
        "motion": {**motion, "discriminator": discriminator},
    }
    if "train_avd_params" in values:
        settings["avd"] = _avd(_section(values, "train_avd_params"))
    return settings


def _size_in(name: str) -> int:
    """The frame size at the end of a configuration's name; 256 without one."""
    size = re.search(r"-(\d{2,4})$", name)
    return int(size[1]) if size else 256


def _avd(train: Values) -> Values:
    """The training of TPS's network for animation via disentanglement."""
    epochs = train.get("num_epochs", 60)
    return {
        "steps": None,
        "epochs": epochs,
        "repeats": train.get("num_repeats", 1),
        "batch": train.get("batch_size", 256),
        "learning_rate": train.get("lr", 1e-3),
        "milestones": [epoch / epochs for epoch in train.get("epoch_milestones") or []],
        "random_scale": train.get("random_scale", 0.25),
    }


def _section(values: Values, name: str) -> Values:
    """A section of a file; empty if it is absent."""
    section = values.get(name) or {}
    if not isinstance(section, dict):
        raise SettingsError(f"configuration: {name}: expected a section, got {section!r}")
    return section


def _motion(train: Values, augmentation: Values) -> Values:
    """The settings of training; epochs become shares of the run."""
    epochs = train.get("num_epochs", 100)
    rate = train.get("lr_generator", 2e-4)
    rates = {
        network: train[f"lr_{network}"] / rate
        for network in ("kp_detector", "he_estimator", "discriminator")
        if train.get(f"lr_{network}", rate) != rate
    }
    flip = _section(augmentation, "flip_param")
    jitter = _section(augmentation, "jitter_param")
    motion = {
        "steps": None,
        "epochs": epochs,
        "repeats": train.get("num_repeats", 1),
        "batch": train.get("batch_size", 16),
        "learning_rate": rate,
        "rates": rates,
        "milestones": [epoch / epochs for epoch in train.get("epoch_milestones") or []],
        "scales": train.get("scales", [1, 0.5, 0.25, 0.125]),
        "loss_weights": _section(train, "loss_weights"),
        "transform_params": _section(train, "transform_params"),
        "gan_mode": train.get("gan_mode", "ls"),
        "horizontal_flip": flip.get("horizontal_flip", False),
        "resize": _section(augmentation, "resize_param").get("ratio", [1, 1]),
        "jitter": {
            colour: jitter.get(colour, 0)
            for colour in ("brightness", "contrast", "saturation", "hue")
        },
        "background_from": train.get("bg_start", 0) / epochs,
    }
    if "dropout_epoch" in train:
        motion |= {"weight_decay": 1e-4, "largest_gradient": 10}  # in TPS's code, not its files
        motion["dropout"] = {
            "until": train["dropout_epoch"] / epochs,
            "ramp": train.get("dropout_inc_epoch", 10) / epochs,
            "lowest": train.get("dropout_startp", 0),
            "highest": train.get("dropout_maxp", 0),
        }
    return motion
