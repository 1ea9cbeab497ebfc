"""A source frame ready to be animated: its appearance, and how keypoints are carried over to it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generators.backbones import Appearance, MotionBackbone
from generators.frames import to_tensor, to_video

PIXELS_PER_BATCH = 2**17  # 32 frames at 64x64, 2 at 256x256: features stay in the CPU's cache


@dataclass(frozen=True)
class Scene:
    """One source frame, encoded once and rendered many times.

    Args:
        backbone: In eval mode.
        appearance: The source's.
        pixels: H * W of the source.
        start: The driving clip's first keypoints (D,) and the source's own (D,), where motion is
            carried over relative to them; None where keypoints are the source's own clip's.
    """

    backbone: MotionBackbone
    appearance: Appearance
    pixels: int
    start: tuple[Tensor, Tensor] | None

    @staticmethod
    @torch.no_grad()
    def of(backbone: MotionBackbone, source: NDArray[np.uint8], driving: Tensor | None) -> "Scene":
        """Encode a source frame (H, W, 3); `driving` (D,) is where a foreign motion starts."""
        frame = to_tensor(source[None])
        start = None if driving is None else (driving, backbone.keypoints(frame)[0])
        pixels = source.shape[0] * source.shape[1]
        return Scene(backbone, backbone.appearance(frame[0]), pixels, start)

    @torch.no_grad()
    def render(self, keypoints: Tensor) -> NDArray[np.uint8]:
        """Render keypoints (F, D) in batches that fit the cache: uint8 (F, H, W, 3)."""
        if self.start is not None:
            keypoints = self.backbone.relative(keypoints, *self.start)
        batches = keypoints.split(max(1, PIXELS_PER_BATCH // self.pixels))
        return np.concatenate(
            [to_video(self.backbone.render(self.appearance, batch)) for batch in batches]
        )

    def render_all(
        self, futures: Tensor, on_futures: Callable[[int], None] = lambda done: None
    ) -> NDArray[np.uint8]:
        """Render futures (N, F, D) one after the other: uint8 (N, F, H, W, 3)."""
        videos = []
        for index, future in enumerate(futures, start=1):
            videos.append(self.render(future))
            on_futures(index)
        return np.stack(videos)
