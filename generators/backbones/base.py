"""The interface of motion backbones: keypoints of frames, appearance of a source, rendering."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor, nn

from flawcast.configs.errors import ModelError
from flawcast.configs.keypoint_layouts import KeypointLayout
from flawcast.configs.registry import Registry
from flawcast.configs.settings import Transfer, validated
from flawcast.generators.blocks.geometry import object_size
from flawcast.generators.clips.frames import to_tensor, to_video
from flawcast.generators.training.losses.objective import Objective, Outcome, Pairs
from flawcast.generators.weights import load_into, read_weights, write_weights

BACKBONE_FILE = "backbone.safetensors"

Video = NDArray[np.uint8]


class Appearance:
    """An encoded source frame, computed once and used for every future; opaque to callers."""


class Context(ABC):
    """Frames of one clip as a backbone sees them: their keypoints, and their appearances.

    Args:
        frames: RGB, (T, H, W, 3).
    """

    def __init__(self, frames: Video) -> None:
        self.frames = frames

    @abstractmethod
    def keypoints(self) -> Tensor:
        """Keypoints of all frames, (T, D), on the CPU; none depends on a frame after its own.

        Frames that were observed count as one: see `MotionBackbone.observe`.
        """

    @abstractmethod
    def appearance(self, index: int) -> Appearance:
        """Appearance of one of the observed frames."""

    def possible(self, futures: Tensor) -> Tensor:
        """Futures (N, F, D) changed as little as what the clip shows demands; (N, F, D)."""
        return futures

    def measured(self) -> slice:
        """The longest stretch of frames whose keypoints were measured, not carried on."""
        return slice(0, len(self.frames))


@dataclass(frozen=True)
class Rendering:
    """Rendered frames and their motion from the source.

    Args:
        frames: RGB, (F, 3, H, W) in [0, 1].
        deformation: Dense motion field, (F, h, w, 2): the source position (x, y) of each pixel,
            with the outer edges of the image at -1 and 1 (`align_corners=False`). It may be
            coarser than the frames.
        occlusion: Occlusion map, (F, 1, h, w) in [0, 1]: near 1 where the source is visible, near
            0 where the backbone had to inpaint; None for a backbone without an occlusion map.
    """

    frames: Tensor
    deformation: Tensor
    occlusion: Tensor | None


class MotionBackbone(nn.Module, ABC):
    """A motion-transfer model: it detects keypoints, encodes a source, and renders.

    Args:
        config: The backbone's own settings, an instance of `Config`.
    """

    Config: ClassVar[type[BaseModel]]
    name: ClassVar[str]
    training_only: ClassVar[frozenset[str]] = frozenset()  # networks a checkpoint may lack
    learns: ClassVar[bool] = True  # whether there are weights to train
    follows_parts: ClassVar[bool] = False  # whether a frame needs the clip around it
    renderer: ClassVar[str | None] = None  # what draws its frames without it, if anything does
    batch_pixels: ClassVar[int] = 2**17  # per batch on a CPU, so that features stay in its cache

    def __init__(self, config: BaseModel) -> None:
        super().__init__()
        self.config = config

    @classmethod
    def fitted(
        cls, config: dict[str, Any], networks: dict[str, dict[str, Tensor]]
    ) -> dict[str, Any]:
        """Adapt sizes to the sub-networks and keys of a published checkpoint.

        Args:
            config: Sizes from the official configuration.
            networks: State dicts of the checkpoint by sub-network.
        """
        return config

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.parameters()).device

    @property
    @abstractmethod
    def layout(self) -> KeypointLayout:
        """Layout of this backbone's keypoint vectors."""

    def observe(
        self,
        frames: Video,
        past: int | None = None,
        line: Sequence[Video] = (),
        clip_id: str | None = None,
    ) -> Context:
        """Look at a clip before its keypoints and appearances are asked for.

        Most backbones need no more than each frame by itself. Others follow parts through the
        clip, and see its background where no part is.

        Args:
            frames: RGB, (T, H, W, 3).
            past: How many frames may be observed; None for all. What is told of these depends on
                no later frame.
            line: More frames of the same camera that may be observed, (T', H, W, 3) each.
            clip_id: The clip, so that nothing is told of it that the backbone knows from elsewhere.

        Raises:
            ClipError: If the frames do not show what the backbone needs.
        """
        del past, line, clip_id
        return _FrameByFrame(self, frames)

    @abstractmethod
    def keypoints(self, frames: Tensor) -> Tensor:
        """Find the keypoints of each frame: (T, 3, H, W) in [0, 1] -> (T, D)."""

    @abstractmethod
    def appearance(self, source: Tensor) -> Appearance:
        """Encode a source frame once: (3, H, W) in [0, 1] -> its appearance for `render`."""

    @abstractmethod
    def rendering(self, appearance: Appearance, keypoints: Tensor) -> Rendering:
        """Draw the source moved to each keypoint vector, with dense motion and occlusion map.

        Args:
            appearance: Appearance of one source, or of F sources.
            keypoints: Keypoint vectors, (F, D).

        Raises:
            ModelError: If the vectors are not of this model's length.
        """

    def render(self, appearance: Appearance, keypoints: Tensor) -> Tensor:
        """Draw the source moved to each keypoint vector: (F, D) -> (F, 3, H, W) in [0, 1].

        Raises:
            ModelError: If the vectors are not of this model's length.
        """
        return self.rendering(appearance, keypoints).frames

    def draw(self, appearance: Appearance, keypoints: Tensor) -> Video:
        """Draw as `render` does, in whole gray levels: (F, D) -> RGB, (F, H, W, 3).

        Raises:
            ModelError: If the vectors are not of this model's length.
        """
        return to_video(self.render(appearance, keypoints))

    def source_arrays(
        self,
        appearance: Appearance,
        levels: Video | None = None,
        usual: NDArray[np.float32] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """What `renderer` needs of a source to draw its frames, and what noise they lack.

        Args:
            appearance: Appearance of the source.
            levels: Mask of the source frame, (H, W), if masks are to be carried from it.
            usual: Keypoint vectors of the usual video, (F, D), if masks are to tell the difference.

        Raises:
            ModelError: If there is no renderer.
        """
        del appearance, levels, usual
        raise ModelError(f"backbone {self.name}: its frames cannot be drawn without it")

    @abstractmethod
    def positions(self, keypoints: Tensor) -> Tensor:
        """Positions of keypoints in the frame: (F, D) -> (F, K, 2), x and y in [-1, 1].

        They measure the size of an object and the distance of two poses. A backbone without
        positions in its vectors returns those of an average face.
        """

    @abstractmethod
    def relative(
        self, keypoints: Tensor, start: Tensor, source: Tensor, scale: float = 1.0
    ) -> Tensor:
        """Transfer the motion of a driving clip to a source, relative to the first frame of each.

        Args:
            keypoints: Keypoints of the driving clip, (F, D).
            start: First keypoints of the driving clip, (D,).
            source: Keypoints of the source frame, (D,).
            scale: Factor of the displacements.

        Returns:
            Keypoints for `render`, (F, D); equal to `source` if the driving clip stands still.
        """

    @property
    def disentangles(self) -> bool:
        """Whether the model has a network for avd motion."""
        return False

    def check_transfer(self, how: Transfer) -> None:
        """Refuse a transfer mode that this model does not support.

        Raises:
            ModelError: If the mode is avd and the model has no network for it.
        """
        if how.mode == "avd" and not self.disentangles:
            raise self._no_avd()

    def avd(self, keypoints: Tensor, source: Tensor) -> Tensor:
        """Combine the driving clip's poses with the source's shape: (F, D), (D,) -> (F, D).

        Raises:
            ModelError: If the model has no network for it; only some TPS models have one.
        """
        raise self._no_avd()

    def _no_avd(self) -> ModelError:
        """The error for a model without an AVD network."""
        return ModelError(
            f"motion: avd needs a TPS model with an AVD network, this is {self.name} without; "
            "use relative or absolute"
        )

    def transfer(self, keypoints: Tensor, start: Tensor, source: Tensor, how: Transfer) -> Tensor:
        """Transfer the motion of a driving clip to a source.

        Args:
            keypoints: Keypoints of the driving clip, (F, D).
            start: First keypoints of the driving clip, (D,).
            source: Keypoints of the source frame, (D,).
            how: Mode (absolute, relative or avd), and whether to scale displacements to the
                object's size.

        Returns:
            Keypoints for `render`, (F, D).

        Raises:
            ModelError: If the backbone does not support this mode.
        """
        if how.mode == "absolute":
            return keypoints
        if how.mode == "avd":
            return self.avd(keypoints, source)
        scale = 1.0
        if how.adapt_movement_scale:
            own, foreign = self.positions(torch.stack([source, start]))
            size, foreign_size = object_size(own), object_size(foreign)
            scale = size / foreign_size if size and foreign_size else 1.0
        return self.relative(keypoints, start, source, scale)

    @abstractmethod
    def losses(self, pairs: Pairs, objective: Objective) -> Outcome:
        """Weighted training losses by name for pairs of frames of the same clips."""


class _FrameByFrame(Context):
    """A clip of which every frame says all."""

    def __init__(self, backbone: MotionBackbone, frames: Video) -> None:
        super().__init__(frames)
        self._backbone = backbone

    @torch.no_grad()
    def keypoints(self) -> Tensor:
        """Keypoints of all frames at once, (T, D)."""
        frames = to_tensor(self.frames).to(self._backbone.device)
        return self._backbone.keypoints(frames).cpu()

    @torch.no_grad()
    def appearance(self, index: int) -> Appearance:
        """Appearance of one of the frames."""
        return self._backbone.appearance(
            to_tensor(self.frames[index : index + 1]).to(self._backbone.device)[0]
        )


BACKBONES: Registry[type[MotionBackbone]] = Registry("backbone", "flawcast.generators.backbones")


def build_backbone(name: str, config: dict[str, Any], seed: int = 0) -> MotionBackbone:
    """Make a backbone with fresh weights, the same for the same seed.

    Raises:
        SettingsError: If the name is unknown or the configuration does not fit the backbone.
    """
    kind = BACKBONES[name]
    settings = validated(kind.Config, config, f"backbone {name}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(settings)


def check_length(layout: KeypointLayout, keypoints: Tensor) -> None:
    """Refuse keypoints that are not of the backbone's length.

    Raises:
        ModelError: If D differs.
    """
    if keypoints.shape[-1] != layout.length:
        raise ModelError(
            f"keypoints: {layout.name} with {layout.keypoints} keypoints expects vectors of length "
            f"D = {layout.length}, got {keypoints.shape[-1]}; use the forecaster of the same model"
        )


def save_backbone(backbone: MotionBackbone, path: Path) -> None:
    """Write a backbone's weights, with its name and sizes in the header."""
    header = {"backbone": backbone.name, "config": backbone.config.model_dump(mode="json")}
    write_weights(path, backbone.state_dict(), header)


def load_backbone(path: Path | str) -> MotionBackbone:
    """Read a backbone from a model folder (or its `backbone.safetensors`), in eval mode.

    Raises:
        ModelError: If the folder or file is absent, damaged or not a backbone.
    """
    path = Path(path)
    path = path / BACKBONE_FILE if path.is_dir() else path
    tensors, header = read_weights(path)
    if not isinstance(header.get("backbone"), str) or not isinstance(header.get("config"), dict):
        raise ModelError(f"model: expected a motion backbone in {path}, found other weights")
    backbone = build_backbone(header["backbone"], header["config"])
    load_into(backbone, tensors, f"backbone {header['backbone']}")
    return ready(backbone)


def ready(backbone: MotionBackbone) -> MotionBackbone:
    """Prepare a backbone for rendering: eval mode, weights in the fastest memory format.

    Channels last renders a quarter faster on a CPU, with differences of 1e-5.
    """
    for value in backbone.parameters():
        if value.dim() == 4:  # the format is for images; face-vid2vid's volumes have five axes
            value.data = value.data.contiguous(memory_format=torch.channels_last)
    return backbone.eval()


def start_from(backbone: MotionBackbone, path: Path) -> None:
    """Give a backbone the weights of another of the same architecture, to train it further.

    Frame size and scale factors may differ: no shape of a weight depends on them.

    Args:
        backbone: The backbone to change in place.
        path: A model folder or its `backbone.safetensors`.

    Raises:
        ModelError: If a weight is absent or of another shape; the message names it.
    """
    blur = "down.weight"  # blur kernels depend on the scale factor; there is none for factor 1
    other = load_backbone(path).state_dict().items()
    learnt = {key: value for key, value in other if not key.endswith(blur)}
    own = {key: value for key, value in backbone.state_dict().items() if key.endswith(blur)}
    load_into(backbone, {**learnt, **own}, f"start {path}")
