"""A model folder: a motion backbone, a forecaster for its keypoints, and a card that says how made.

    MODEL/backbone.safetensors    weights; the header names the backbone and its sizes
    MODEL/forecaster.safetensors  weights and scales of the forecaster
    MODEL/card.json               settings, data hashes, metrics, versions

Nothing in it is executed on loading.
"""

import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ModelError
from flawcast.configs.files import whole_folder
from flawcast.configs.identity import hash_files
from flawcast.configs.model_card import CARD, Card, read_card
from flawcast.generators.backbones import MotionBackbone, load_backbone, save_backbone
from flawcast.generators.backbones.base import BACKBONE_FILE as BACKBONE
from flawcast.generators.forecasters import KeypointPredictor
from flawcast.generators.forecasters.predictor import FILE as FORECASTER
from flawcast.generators.rendering.devices import pick_device
from flawcast.generators.rendering.fused import for_inference
from flawcast.generators.rendering.packed import with_packed_linears

SHIPPED = Path(__file__).parent / "shipped"


@dataclass(frozen=True)
class Model:
    """All that turns a past into futures and futures into videos.

    Args:
        backbone: In eval mode.
        predictor: Fitted to this backbone's keypoints.
        card: How it was made.
        weights_id: Hash of both weight files: what samples owe to the model.
    """

    backbone: MotionBackbone
    predictor: KeypointPredictor
    card: Card
    weights_id: str

    def clip_settings(self, size: int | None = None) -> ClipSettings:
        """How clips are read for this model; `size` overrides the size it was trained at."""
        trained = self.card.settings.clips
        return trained if size is None else trained.model_copy(update={"size": size})


def save_model(
    folder: Path,
    backbone: MotionBackbone,
    predictor: KeypointPredictor | None,
    card: Card,
) -> None:
    """Write a model folder in one step: it is there whole or not at all.

    Args:
        folder: Must not exist yet, or be empty.
        backbone: Trained.
        predictor: Fitted; None for a motion model whose forecaster is fitted later.
        card: How it was made.

    Raises:
        ModelError: If the folder exists and is not empty.
    """
    check_free(folder)
    with whole_folder(folder) as draft:
        save_backbone(backbone, draft / BACKBONE)
        if predictor is not None:
            predictor.save(draft)
        card.write(draft)


def add_forecaster(folder: Path, predictor: KeypointPredictor, card: Card) -> None:
    """Give a model folder without a forecaster one, which comes last: it is there whole or not.

    Args:
        folder: A model folder.
        predictor: Fitted to its backbone's keypoints.
        card: Replaces the model's card.
    """
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as name:
        draft = Path(name)
        predictor.save(draft)
        card.write(draft)
        (draft / CARD).replace(folder / CARD)
        (draft / FORECASTER).replace(folder / FORECASTER)


def has_forecaster(folder: Path) -> bool:
    """Whether a model folder holds a forecaster."""
    return (folder / FORECASTER).is_file()


def check_free(folder: Path) -> None:
    """Refuse to write a model over something else.

    Raises:
        ModelError: If the folder exists and is not empty.
    """
    if folder.exists() and (
        not folder.is_dir() or any(folder.iterdir()) or folder.absolute() == Path.cwd()
    ):
        raise ModelError(
            f"out: expected a folder that is new or empty, {folder} is not; name another"
        )


def load_model(folder: Path | str, device: torch.device | str = "cpu") -> Model:
    """Read a model folder written by `flawcast train`, in the form for inference.

    Args:
        folder: The model's.
        device: Where to find keypoints and to draw. Forecasts are made on the CPU, the same
            everywhere.

    Raises:
        ModelError: If the folder is absent, incomplete, damaged, of a newer version, or its
            forecaster is for keypoints of another length than its backbone's.
    """
    folder = Path(folder)
    card = read_card(folder)
    backbone = for_inference(load_backbone(folder / BACKBONE)).to(device)
    if not has_forecaster(folder):
        raise ModelError(
            f"model {folder}: expected a forecaster, found none; "
            f"fit one: flawcast fit CLIPS --model {folder}"
        )
    predictor = KeypointPredictor.load(folder)
    if predictor.features != backbone.layout.length:
        raise ModelError(
            f"model {folder}: expected a forecaster for keypoint vectors of length "
            f"D = {backbone.layout.length}, found one for {predictor.features}; "
            "use the files of one training"
        )
    with_packed_linears(predictor.forecaster)
    digest = hash_files([folder / BACKBONE, folder / FORECASTER])
    return Model(backbone, predictor, card, f"weights-{digest[:16]}")


@lru_cache(maxsize=1)
def worker_model(folder: Path, threads: int = 1, device: str = "cpu") -> Model:
    """The model of a worker process, loaded once, on one torch thread unless told otherwise.

    Small models slow down many times when several threads share busy cores.
    """
    torch.set_num_threads(threads)
    return load_model(folder, pick_device(device))


def shipped_model(name: str = "demo") -> Path:
    """Folder of a model that comes with flawcast: "demo" (64x64) or "line-128" (128x128)."""
    return SHIPPED / name


def find_model(name: Path | str) -> Path:
    """A model folder by its path, or a shipped model by its name.

    A folder of a shipped model's name is meant where it holds a model.

    Raises:
        ModelError: If there is neither.
    """
    path = Path(name)
    if str(name) in shipped_models() and not is_model(path):
        return shipped_model(str(name))
    if path.exists():
        return path
    raise ModelError(
        f"model: expected a model folder or one of {', '.join(shipped_models())}, "
        f"found nothing at {name}; train a model or name its folder"
    )


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model."""
    return (folder / CARD).is_file()


def shipped_models() -> list[str]:
    """Names of the models that come with flawcast."""
    return sorted(folder.name for folder in SHIPPED.iterdir() if folder.is_dir())
