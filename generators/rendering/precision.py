"""Precision of rendering: fp32, 8-bit integers on a CPU, or half precision on a GPU."""

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
    """Refuse a precision that is not faster than fp32 on this device.

    Raises:
        SettingsError: If the precision is half on a CPU, or int8 on another device.
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
    """The same scene with a backbone that renders in another precision.

    Args:
        scene: A scene in fp32.
        precision: "fp32", "int8", "bf16" or "fp16".
        keypoints: Keypoints of frames that will be rendered, (n, D), before `Scene.place`. The
            ranges of int8 come from an evenly spread batch of them, so the same keypoints give the
            same frames.

    Raises:
        SettingsError: If the device does not support the precision.
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
    """The same model with shared weights, rendering in half precision; the first frame compiles it.

    `compiler` is the name of a `torch.compile` backend. Positions, softmaxes and other sensitive
    parts stay in fp32 (`torch.autocast`).
    """
    twin = copy.copy(backbone)
    compiled = torch.compile(backbone.rendering, backend=compiler)

    def rendering(appearance: Appearance, keypoints: Tensor) -> Rendering:
        with torch.autocast(backbone.device.type, dtype):
            half = compiled(appearance, keypoints)
        occlusion = None if half.occlusion is None else half.occlusion.float()
        return Rendering(half.frames.float(), half.deformation.float(), occlusion)

    twin.__dict__["rendering"] = rendering
    return twin
