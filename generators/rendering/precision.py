"""Precision of rendering: fp32, 8-bit integers on a CPU, or half precision where it is fast."""

import os
import sys
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from flawcast.configs.errors import SettingsError
from flawcast.generators.backbones import Appearance, MotionBackbone, Rendering
from flawcast.generators.rendering.halves import with_half_weights
from flawcast.generators.rendering.int8 import quantised
from flawcast.generators.rendering.kernels import processor
from flawcast.generators.rendering.scene import Scene

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
SLOW_VARIABLE = "FLAWCAST_SLOW_BF16"  # set to 1: bf16 also where it is slower, to try it


def has_amx() -> bool:
    """Whether this processor multiplies matrices of bf16 numbers."""
    return "amx_bf16" in processor()[1]


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse a precision that is not faster than fp32 on this device.

    Raises:
        SettingsError: If the precision is half on a CPU, unless it is bf16 and the CPU has AMX,
            or int8 on another device.
    """
    if precision == "fp16" and device.type != "cuda":
        raise SettingsError(
            f"precision: fp16 is for GPUs, this runs on {device.type}, where it is slower "
            "than fp32; use fp32 or int8"
        )
    if precision == "bf16" and device.type != "cuda" and not has_amx():
        name, extensions = processor()
        why = (
            f"bf16 is for GPUs and for CPUs with AMX; this runs on {device.type}, {name} "
            f"({', '.join(extensions) or 'no known extensions'}), where it is slower than fp32"
        )
        if os.environ.get(SLOW_VARIABLE) != "1":
            raise SettingsError(
                f"precision: {why}; use fp32 or int8 ({SLOW_VARIABLE}=1 tries it all the same)"
            )
        _warn(why)
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
        compiler = "inductor" if scene.backbone.device.type == "cuda" else None
        return replace(scene, backbone=halved(scene.backbone, HALVES[precision], compiler))
    some = keypoints[torch.linspace(0, len(keypoints) - 1, scene.batch).long()]
    return replace(
        scene,
        backbone=quantised(scene.backbone, lambda twin: replace(scene, backbone=twin).render(some)),
    )


@lru_cache(maxsize=2)
def halved(
    backbone: MotionBackbone, dtype: torch.dtype, compiler: str | None = "inductor"
) -> MotionBackbone:
    """The same model, rendering in half precision; if it is compiled, the first frame does so.

    `compiler` is the name of a `torch.compile` backend; None for none. Positions, softmaxes and
    other sensitive parts stay in fp32 (`torch.autocast`), and so do keypoints and appearances.
    """
    twin = with_half_weights(backbone, dtype)
    draw = twin.rendering
    drawing = torch.compile(draw, backend=compiler) if compiler is not None else draw

    def rendering(appearance: Appearance, keypoints: Tensor) -> Rendering:
        with torch.autocast(backbone.device.type, dtype):
            half = drawing(appearance, keypoints)
        occlusion = None if half.occlusion is None else half.occlusion.float()
        return Rendering(half.frames.float(), half.deformation.float(), occlusion)

    own = {"keypoints": backbone.keypoints, "appearance": backbone.appearance}
    twin.__dict__.update(own, rendering=rendering)
    return twin


@lru_cache(maxsize=4)
def _warn(why: str) -> None:
    """Say once that a precision is of no use here."""
    print(f"precision: {why}", file=sys.stderr)
