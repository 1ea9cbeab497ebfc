"""Turn published weights into a model folder: `flawcast import`."""

from pathlib import Path

from flawcast.configs.identity import hash_files
from flawcast.configs.model_card import Card, Imported, Versions
from flawcast.configs.preset_files import load_preset
from flawcast.generators.backbones import MotionBackbone, import_official
from flawcast.generators.model import check_free, save_model


def import_model(checkpoint: Path, backbone: str, config: str, out: Path) -> MotionBackbone:
    """Read an official checkpoint strictly and write it as a model folder without a forecaster.

    Args:
        checkpoint: The published file.
        backbone: "fomm", "tps" or "vid2vid".
        config: Name of a shipped configuration ("vox-256") or an official YAML file.
        out: Model folder to write; new or empty.

    Returns:
        The backbone.

    Raises:
        FlawcastError: If the file, the configuration or the folder cannot be used.
    """
    check_free(out)
    settings = load_preset(config, backbone)
    model = import_official(checkpoint, backbone, settings.backbone.config)
    backbone_settings = settings.backbone.model_copy(
        update={"config": model.config.model_dump(mode="json")}
    )
    card = Card(
        settings=settings.model_copy(update={"backbone": backbone_settings}),
        versions=Versions.installed(),
        imported=Imported(
            file=checkpoint.name,
            sha256=hash_files([checkpoint]),
            configuration=config if "/" not in config else Path(config).name,
        ),
    )
    save_model(out, model, None, card)
    return model
