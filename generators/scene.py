"""A source frame ready to be animated: its appearance, and how keypoints are carried over to it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from configs.settings import Transfer
from generators.backbones import Appearance, MotionBackbone, Rendering
from generators.frames import to_tensor, to_video

PIXELS_PER_BATCH = 2**17  # 32 frames at 64x64, 2 at 256x256: features stay in the CPU's cache


@dataclass(frozen=True)
class Scene:
    """One source frame, encoded once and rendered many times.

    Args:
        backbone: In eval mode.
        appearance: The source's.
        pixels: H * W of the source.
        carry: Takes a foreign clip's keypoints (F, D) over to the source; None where keypoints are
            the source's own clip's.
    """

    backbone: MotionBackbone
    appearance: Appearance
    pixels: int
    carry: Callable[[Tensor], Tensor] | None = None

    @staticmethod
    @torch.no_grad()
    def of(
        backbone: MotionBackbone,
        source: NDArray[np.uint8],
        driving: Tensor | None = None,
        how: Transfer | None = None,
    ) -> "Scene":
        """Encode a source frame.

        Args:
            backbone: In eval mode.
            source: (H, W, 3).
            driving: Keypoints (D,) that a foreign motion starts from; None for the source's own
                clip.
            how: How the foreign motion is carried over.
        """
        frame = to_tensor(source[None]).to(backbone.device)
        appearance = backbone.appearance(frame[0])
        pixels = source.shape[0] * source.shape[1]
        if driving is None:
            return Scene(backbone, appearance, pixels)
        own, start, chosen = backbone.keypoints(frame)[0], driving, how or Transfer()
        return Scene(
            backbone,
            appearance,
            pixels,
            lambda keypoints: backbone.transfer(keypoints, start, own, chosen),
        )

    @torch.no_grad()
    def render(self, keypoints: Tensor) -> NDArray[np.uint8]:
        """Render keypoints (F, D) in batches that fit the cache: uint8 (F, H, W, 3)."""
        return np.concatenate(list(self.rendered(keypoints)))

    def rendered(self, keypoints: Tensor) -> Iterator[NDArray[np.uint8]]:
        """Render keypoints (F, D) batch by batch: uint8 (n, H, W, 3), F frames in all."""
        for drawn in self.renderings(keypoints):
            yield to_video(drawn.frames)

    @torch.no_grad()
    def renderings(self, keypoints: Tensor) -> Iterator[Rendering]:
        """Render keypoints (F, D) batch by batch, with dense motion and occlusion map."""
        keypoints = keypoints.to(self.backbone.device)
        if self.carry is not None:
            keypoints = self.carry(keypoints)
        for batch in keypoints.split(max(1, PIXELS_PER_BATCH // self.pixels)):
            yield self.backbone.rendering(self.appearance, batch)

    def render_all(
        self, futures: Tensor, on_futures: Callable[[int], None] = lambda done: None
    ) -> NDArray[np.uint8]:
        """Render futures (N, F, D) one after the other: uint8 (N, F, H, W, 3)."""
        videos = []
        for index, future in enumerate(futures, start=1):
            videos.append(self.render(future))
            on_futures(index)
        return np.stack(videos)
