"""Presets: settings of a training in YAML files, our own and official ones."""

from pathlib import Path
from typing import Any

import yaml

from flawcast.configs.errors import SettingsError, one_line
from flawcast.configs.official import from_official, is_official
from flawcast.configs.settings import TrainSettings, validated

PRESETS = Path(__file__).parent / "presets"
FIRST = "fomm"  # whose presets are meant where no backbone is named


def load_preset(name: str, backbone: str | None = None) -> TrainSettings:
    """Read a preset by name, or a YAML file by path.

    A file may also be an official configuration of FOMM, TPS or face-vid2vid.

    Args:
        name: A name from `preset_names()`, or the path of a file ending in .yaml or .yml.
        backbone: Whose preset, where several backbones have one of this name; if not
            given, FOMM's, or else that of the first backbone by name that has it.

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
    others = sorted({name.split("/")[0] for name in names if "/" in name} - {FIRST})
    folders = [backbone] if backbone else ["", FIRST, *others]
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
        reason = one_line(error, limit=None)
        raise SettingsError(f"{path}: expected YAML, got {reason}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: expected settings by name, got {values!r:.60}")
    return values
