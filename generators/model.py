"""A model folder: a motion backbone, a forecaster for its keypoints, and a card on its training.

    MODEL/backbone.safetensors    weights; the header names the backbone and its sizes
    MODEL/forecaster.safetensors  weights and scales of the forecaster
    MODEL/fold-N/                 further forecasters, each of which has not seen some of the clips
    MODEL/card.json               settings, data hashes, metrics, versions

Loading a model executes nothing from its folder.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch

from flawcast.configs.clip_settings import NATIVE, ClipSettings
from flawcast.configs.errors import ModelError
from flawcast.configs.files import whole_folder
from flawcast.configs.identity import hash_files
from flawcast.configs.model_card import CARD, Card, read_card
from flawcast.configs.settings import Detail
from flawcast.generators.backbones import MotionBackbone, load_backbone, save_backbone
from flawcast.generators.backbones.base import BACKBONE_FILE as BACKBONE
from flawcast.generators.forecasters import KeypointPredictor
from flawcast.generators.forecasters.predictor import FILE as FORECASTER
from flawcast.generators.rendering.devices import pick_device
from flawcast.generators.rendering.fused import for_inference
from flawcast.generators.rendering.native import NativeDetail
from flawcast.generators.rendering.packed import with_packed_linears

SHIPPED = Path(__file__).parent / "shipped"


@dataclass(frozen=True)
class Model:
    """A trained model: it turns a past into futures, and futures into videos.

    Args:
        backbone: The backbone, in eval mode.
        predictor: A forecaster fitted to this backbone's keypoints.
        card: Settings, data and metrics of its training.
        weights_id: Hash of all weight files; samples record it.
        folds: Forecasters by the id of a clip that they have not seen.
    """

    backbone: MotionBackbone
    predictor: KeypointPredictor
    card: Card
    weights_id: str
    folds: Mapping[str, KeypointPredictor] = field(default_factory=dict)

    def backbone_for(self, clips: ClipSettings) -> MotionBackbone:
        """The backbone for clips read so.

        A learned one that gets frames of any aspect sees a small square of each, and draws with
        the source's own pixels.
        """
        if clips.fit != "keep" or self.backbone.follows_parts:
            return self.backbone
        return NativeDetail(self.backbone, self.card.settings.clips.size)

    def predictor_for(self, clip_id: str) -> KeypointPredictor:
        """The forecaster for a clip: one that has not seen it, if there is one."""
        return self.folds.get(clip_id, self.predictor)

    def clip_settings(self, size: int | None = None, detail: Detail | None = None) -> ClipSettings:
        """Settings to read clips for this model.

        Args:
            size: Size of the frames; None for that of its training.
            detail: "native" to draw with the clips' own pixels, in their own aspect, the short
                side at most `size`; "model" for the model's own square picture at that size. None
                for native above the size of its training.
        """
        trained = self.card.settings.clips
        if trained.fit == "keep" or (size is None and detail is None):
            return trained if size is None else trained.model_copy(update={"size": size})
        native = detail == "native" or (detail is None and (size or 0) > trained.size)
        if native:
            return trained.model_copy(update={"size": size or NATIVE, "fit": "keep"})
        return trained.model_copy(update={"size": size or trained.size})


def save_model(
    folder: Path,
    backbone: MotionBackbone,
    predictor: KeypointPredictor | None,
    card: Card,
    folds: Sequence[tuple[tuple[str, ...], KeypointPredictor]] = (),
) -> None:
    """Write a model folder in one step, so that it is complete or absent.

    Args:
        folder: A folder that does not exist yet or is empty.
        backbone: A trained backbone.
        predictor: A fitted forecaster; None for a motion model that gets its forecaster later.
        card: Settings, data and metrics of its training.
        folds: Ids of clips, and a forecaster that has not seen them.

    Raises:
        ModelError: If the folder exists and is not empty.
    """
    check_free(folder)
    with whole_folder(folder) as draft:
        save_backbone(backbone, draft / BACKBONE)
        if predictor is not None:
            predictor.save(draft)
        left_out = {}
        for number, (clip_ids, unaware) in enumerate(folds, start=1):
            name = f"fold-{number}"
            (draft / name).mkdir()
            unaware.save(draft / name)
            left_out[name] = clip_ids
        card.model_copy(update={"left_out": left_out or None}).write(draft)


def add_forecaster(folder: Path, predictor: KeypointPredictor, card: Card) -> None:
    """Add a forecaster to a model folder that has none.

    The forecaster's file is moved into place last, so that it is complete or absent.

    Args:
        folder: A model folder.
        predictor: A forecaster fitted to the backbone's keypoints.
        card: New card, which replaces the model's card.
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
    """Refuse a folder in which a new model would overwrite something.

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
        folder: A model folder.
        device: Device that detects keypoints and renders. Forecasts always run on the CPU, so
            that they are the same everywhere.

    Raises:
        ModelError: If the folder is absent, incomplete, damaged or of a newer version, or if its
            forecaster and its backbone differ in the length of a keypoint vector.
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
    left_out = card.left_out or {}
    digest = hash_files(
        [folder / BACKBONE, folder / FORECASTER, *(folder / name / FORECASTER for name in left_out)]
    )
    folds = {
        clip_id: unaware
        for name, clip_ids in left_out.items()
        for unaware in [KeypointPredictor.load(folder / name)]
        for clip_id in clip_ids
    }
    return Model(backbone, predictor, card, f"weights-{digest[:16]}", folds)


@lru_cache(maxsize=1)
def worker_model(folder: Path, threads: int = 1, device: str = "cpu") -> Model:
    """The model of a worker process, loaded once; by default torch uses one thread.

    Small models run many times slower when several threads share busy cores.
    """
    torch.set_num_threads(threads)
    return load_model(folder, pick_device(device))


def shipped_model(name: str = "demo") -> Path:
    """Folder of a model that comes with flawcast: "demo" (64x64) or "line-128" (128x128)."""
    return SHIPPED / name


def find_model(name: Path | str) -> Path:
    """Find a model folder by its path, or a shipped model by its name.

    A folder that is named like a shipped model takes precedence if it holds a model.

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
