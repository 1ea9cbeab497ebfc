"""What a backbone says about one source and one driving frame, under the references' names."""

from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.generators.backbones import MotionBackbone
from flawcast.generators.backbones.tps.model import TPS
from flawcast.generators.backbones.vid2vid.estimators import HeadMotion
from flawcast.generators.backbones.vid2vid.model import Vid2VidAppearance

Numbers = dict[str, NDArray[Any]]


@torch.no_grad()
def fomm_numbers(model: MotionBackbone, source: Tensor, driving: Tensor) -> Numbers:
    """Keypoints, Jacobians and the frame."""
    vectors = model.keypoints(driving[None])
    parts = vectors.view(10, 6)
    return {
        "value": parts[:, :2].numpy(),
        "jacobian": parts[:, 2:].reshape(10, 2, 2).numpy(),
        "prediction": model.render(model.appearance(source), vectors)[0].numpy(),
    }


@torch.no_grad()
def tps_numbers(model: MotionBackbone, source: Tensor, driving: Tensor) -> Numbers:
    """Keypoints, carried keypoints, masks, motion, and the frame with and without a background."""
    assert isinstance(model, TPS)
    assert model.bg_predictor is not None
    appearance = model.appearance(source)
    own, vectors = model.keypoints(torch.stack([source, driving])).split(1)
    motion = model.dense_motion_network(
        appearance.thumbnail, appearance.keypoints, model.positions(vectors)
    )
    background = model.bg_predictor(source[None], driving[None])
    painted, _ = model.animate(appearance, model.kp_detector(driving[None]), background)
    return {
        "source_kp": own.view(50, 2).numpy(),
        "kp": vectors.view(50, 2).numpy(),
        "avd": model.avd(vectors, own[0]).view(50, 2).numpy(),
        "prediction": model.render(appearance, vectors)[0].numpy(),
        "occlusion": motion.masks[-1][0].numpy(),
        "deformation": motion.deformation[0].numpy(),
        "bg": background[0].numpy(),
        "prediction_bg": painted[0, :, ::4, ::4].numpy(),
    }


@torch.no_grad()
def vid2vid_numbers(model: MotionBackbone, source: Tensor, driving: Tensor) -> Numbers:
    """Canonical and moved keypoints, head pose, occlusion and the frame."""
    appearance = model.appearance(source)
    assert isinstance(appearance, Vid2VidAppearance)
    vectors = model.keypoints(driving[None])
    rendering = model.rendering(appearance, vectors)
    assert rendering.occlusion is not None
    return {
        "canonical": appearance.canonical[0].numpy(),
        "source_kp": appearance.keypoints[0].numpy(),
        "pose": vectors[0].numpy(),
        "kp": HeadMotion.from_vectors(vectors).moved(appearance.canonical)[0].numpy(),
        "occlusion": rendering.occlusion[0].numpy(),
        "prediction": rendering.frames[0].numpy(),
    }


NUMBERS: dict[str, tuple[str, Callable[[MotionBackbone, Tensor, Tensor], Numbers]]] = {
    "vox-256": ("fomm", fomm_numbers),
    "tps-vox-256": ("tps", tps_numbers),
    "vid2vid-vox-256-original": ("vid2vid", vid2vid_numbers),
}
OF_SOURCE = ("source_kp", "canonical")
