"""How exactly frames are drawn: in fp32, on 8-bit integers on a CPU, in half precision on a GPU."""

import copy
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from flawcast.configs.errors import SettingsError
from flawcast.generators.backbones import Appearance, MotionBackbone, Rendering
from flawcast.generators.rendering.int8 import quantised
from flawcast.generators.rendering.scene import Scene

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse a precision that the device draws no faster in than in fp32.

    Raises:
        SettingsError: If it asks for halves on a CPU or for integers elsewhere.
    """
    if precision in HALVES and device.type != "cuda":
        raise SettingsError(
            f"precision: {precision} is for GPUs, this runs on {device.type}, where it is slower "
            "than fp32; use fp32 or int8"
        )
    if precision == "int8" and device.type != "cpu":
        raise SettingsError(
            f"precision: int8 is for CPUs, this runs on {device.type}; use bf16 or fp16"
        )
    if precision == "int8" and "onednn" not in torch.backends.quantized.supported_engines:
        raise SettingsError(
            "precision: int8 needs a PyTorch with oneDNN for this processor, found none; use fp32"
        )


def in_precision(scene: Scene, precision: str, keypoints: Tensor) -> Scene:
    """The same scene, drawn in another precision.

    Args:
        scene: In fp32.
        precision: "fp32", "int8", "bf16" or "fp16".
        keypoints: Of frames that will be drawn, (n, D), not yet placed. Ranges of int8 are taken
            from a batch of them, evenly spread, so the same keypoints give the same frames.

    Raises:
        SettingsError: If the device does not do that.
    """
    check_precision(precision, scene.backbone.device)
    if precision == "fp32":
        return scene
    if precision in HALVES:
        return replace(scene, backbone=halved(scene.backbone, HALVES[precision]))
    some = keypoints[torch.linspace(0, len(keypoints) - 1, scene.batch).long()]
    return replace(
        scene,
        backbone=quantised(scene.backbone, lambda twin: replace(scene, backbone=twin).render(some)),
    )


@lru_cache(maxsize=2)
def halved(
    backbone: MotionBackbone, dtype: torch.dtype, compiler: str = "inductor"
) -> MotionBackbone:
    """The same model, weights included, that draws in half precision, compiled at the first frame.

    `compiler` is one that `torch.compile` knows. Positions, softmaxes and what else needs it stay
    in fp32 (`torch.autocast`).
    """
    twin = copy.copy(backbone)
    compiled = torch.compile(backbone.rendering, backend=compiler)

    def rendering(appearance: Appearance, keypoints: Tensor) -> Rendering:
        with torch.autocast(backbone.device.type, dtype):
            drawn = compiled(appearance, keypoints)
        occlusion = None if drawn.occlusion is None else drawn.occlusion.float()
        return Rendering(drawn.frames.float(), drawn.deformation.float(), occlusion)

    twin.__dict__["rendering"] = rendering
    return twin
