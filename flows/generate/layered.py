"""Videos of a backbone whose frames can be drawn without it: scored and kept as layers."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.errors import SettingsError
from flawcast.configs.set_settings import SetMasks
from flawcast.generators.backbones import MotionBackbone
from flawcast.generators.rendering.scene import Scene
from flawcast.storage import Layers
from flawcast.storage.layered import CLEAN

MOST_PIXELS = 256  # short side up to which videos are kept as pixels, unless a user says otherwise


def expect_renderer(backbone: MotionBackbone, keep_as: str | None) -> None:
    """Refuse to keep videos as layers that only their model can draw.

    Raises:
        SettingsError: If the backbone's frames cannot be drawn without it.
    """
    if keep_as == "layers" and backbone.renderer is None:
        raise SettingsError(
            f"keep-as: expected a model whose videos can be drawn without it, {backbone.name} is "
            "none; use pixels"
        )


def keeps_layers(scene: Scene, size: tuple[int, int], keep_as: str | None) -> bool:
    """Whether a set is kept as layers: if a user says so, or if its frames are large."""
    if scene.backbone.renderer is None:
        return False
    return keep_as == "layers" or (keep_as is None and min(size) > MOST_PIXELS)


def layers_of(
    scene: Scene,
    keypoints: Tensor,
    size: tuple[int, int],
    levels: NDArray[np.uint8] | None = None,
    usual: Tensor | None = None,
) -> Layers | None:
    """What videos are drawn from, without sensor noise; None if only the backbone can draw them.

    Args:
        scene: The source.
        keypoints: Of each video, (n, F, D), as the forecaster gives them.
        size: (H, W).
        levels: Mask of the source frame, (H, W), for drawn masks.
        usual: Keypoints of the usual video, (F, D), for masks made from the motion.
    """
    if scene.backbone.renderer is None:
        return None
    placed = torch.stack([scene.place(video) for video in keypoints]).cpu().numpy()
    expected = None if usual is None else scene.place(usual).cpu().numpy()
    return Layers(
        renderer=scene.backbone.renderer,
        size=size,
        source=scene.backbone.source_arrays(scene.appearance, levels, expected),
        keypoints=placed.astype(np.float32),
        seeds=np.full(len(placed), CLEAN, np.int64),
    )


def mask_material(
    masks: SetMasks | None, futures: Tensor, levels: NDArray[np.uint8] | None
) -> tuple[NDArray[np.uint8] | None, Tensor | None]:
    """What a set's masks need: the mask of its source, or the keypoints of its usual video.

    Args:
        masks: Which masks the set has.
        futures: All sampled keypoints, (N, F, D); their median is the usual video.
        levels: Mask of the source frame, (H, W).
    """
    if masks is None:
        return None, None
    if masks.kind == "drawn":
        return levels, None  # without levels they are those of a defect
    return None, futures.contiguous().median(dim=0).values


def chosen(layers: Layers, indices: Sequence[int], seeds: Sequence[int]) -> Layers:
    """Some of the videos, with sensor noise."""
    keypoints = np.ascontiguousarray(layers.keypoints[list(indices)])
    return replace(layers, keypoints=keypoints, seeds=np.array(seeds, np.int64))
