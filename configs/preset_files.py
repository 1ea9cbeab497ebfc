"""Presets: settings of a training in YAML files, our own and official ones."""

from pathlib import Path
from typing import Any

import yaml

from flawcast.configs.errors import SettingsError
from flawcast.configs.official import from_official, is_official
from flawcast.configs.settings import TrainSettings, validated

PRESETS = Path(__file__).parent / "presets"
BACKBONES = ("fomm", "tps", "vid2vid")  # folders of presets, in the order of their search


def load_preset(name: str, backbone: str | None = None) -> TrainSettings:
    """Read a preset by name, or a YAML file by path.

    A file may also be an official configuration of FOMM, TPS or face-vid2vid.

    Args:
        name: A name from `preset_names()`, or the path of a file ending in .yaml or .yml.
        backbone: Backbone of the preset, if several have one of this name; the default is the first
            of `BACKBONES` that has one.

    Raises:
        SettingsError: If there is no such preset or it does not hold valid settings.
    """
    path = Path(name) if Path(name).suffix in {".yaml", ".yml"} else _preset_path(name, backbone)
    if path is None or not path.is_file():
        names = ", ".join(preset_names())
        whose = f" of {backbone}" if backbone else ""
        raise SettingsError(f"preset{whose}: expected one of {names} or a YAML file, got {name!r}")
    values = read_yaml(path)
    if is_official(values):
        values = from_official(values, path.stem)
    settings = validated(TrainSettings, values, f"preset {name}")
    if backbone is not None and settings.backbone.name != backbone:
        raise SettingsError(
            f"preset {name}: expected one for backbone {backbone}, found one for "
            f"{settings.backbone.name}; name another preset or backbone"
        )
    return settings


def preset_names() -> list[str]:
    """Names of the presets that ship with flawcast; some are BACKBONE/NAME."""
    return sorted(
        str(path.relative_to(PRESETS).with_suffix("")) for path in PRESETS.rglob("*.yaml")
    )


def _preset_path(name: str, backbone: str | None) -> Path | None:
    """File of a shipped preset, by its full name, or by its last part and perhaps a backbone."""
    names = preset_names()
    folders = [backbone] if backbone else ["", *BACKBONES]
    for folder in folders:
        whole = f"{folder}/{name}" if folder else name
        if whole in names:
            return PRESETS / f"{whole}.yaml"
    return PRESETS / f"{name}.yaml" if name in names else None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the plain values of a YAML file.

    Raises:
        SettingsError: If the file is not YAML, or its top level is not a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{path}: expected YAML, got {reason}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: expected settings by name, got {values!r:.60}")
    return values
