"""A source frame that is ready to be animated, with the transfer of keypoints to it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.settings import Transfer
from flawcast.generators.backbones import Appearance, Context, MotionBackbone, Rendering

PIXELS_PER_GPU_BATCH = 2**22  # 64 frames at 256x256
MOST_PER_BATCH = (
    16  # on a CPU; larger batches are not faster, and the last batch of a video is often not full
)


@dataclass(frozen=True)
class Scene:
    """One source frame, encoded once and rendered many times.

    Args:
        backbone: A backbone in eval mode.
        appearance: The encoded source frame.
        pixels: Number of pixels of the source, H * W.
        carry: Transfers keypoints (F, D) of another clip to the source; None if keypoints come
            from the source's own clip.
    """

    backbone: MotionBackbone
    appearance: Appearance
    pixels: int
    carry: Callable[[Tensor], Tensor] | None = None

    @staticmethod
    def encode(
        backbone: MotionBackbone,
        source: NDArray[np.uint8],
        driving: Tensor | None = None,
        how: Transfer | None = None,
    ) -> "Scene":
        """Encode a source frame by itself.

        Args:
            backbone: A backbone in eval mode.
            source: RGB source frame, (H, W, 3).
            driving: First keypoints (D,) of a motion from another clip; None for the source's own
                clip.
            how: Settings of the transfer from another clip.

        Raises:
            ClipError: If the backbone needs a clip around the frame.
        """
        return Scene.observed(backbone, backbone.observe(source[None]), 0, driving, how)

    @staticmethod
    @torch.no_grad()
    def observed(
        backbone: MotionBackbone,
        context: Context,
        index: int,
        driving: Tensor | None = None,
        how: Transfer | None = None,
    ) -> "Scene":
        """Encode one frame of an observed clip.

        Args:
            backbone: The backbone that observed the clip, in eval mode.
            context: The clip.
            index: Which of its frames is animated.
            driving: As in `encode`.
            how: As in `encode`.
        """
        appearance = context.appearance(index)
        pixels = context.frames.shape[1] * context.frames.shape[2]
        if driving is None:
            return Scene(backbone, appearance, pixels)
        own = context.keypoints()[index].to(backbone.device)
        start, settings = driving, how or Transfer()
        return Scene(
            backbone,
            appearance,
            pixels,
            lambda keypoints: backbone.transfer(keypoints, start, own, settings),
        )

    @property
    def batch(self) -> int:
        """Number of frames that are rendered at once.

        Every batch has this size, and shorter ones are filled up: convolutions round differently
        for another batch size, and a frame must not depend on the other frames of its batch.
        """
        if self.backbone.device.type == "cuda":
            return max(1, PIXELS_PER_GPU_BATCH // self.pixels)
        return min(MOST_PER_BATCH, max(1, self.backbone.batch_pixels // self.pixels))

    @torch.no_grad()
    def place(self, keypoints: Tensor) -> Tensor:
        """Keypoints (F, D) on the model's device, carried over to the source."""
        keypoints = keypoints.to(self.backbone.device)
        return keypoints if self.carry is None else self.carry(keypoints)

    @torch.no_grad()
    def draw(self, placed: Tensor) -> NDArray[np.uint8]:
        """Draw at most a batch of placed keypoints (n, D): uint8 (n, H, W, 3)."""
        return self.backbone.draw(self.appearance, self._filled(placed))[: len(placed)]

    def render(self, keypoints: Tensor) -> NDArray[np.uint8]:
        """Render keypoints (F, D) in batches that fit the cache: uint8 (F, H, W, 3)."""
        return np.concatenate(list(self.rendered(keypoints)))

    def rendered(self, keypoints: Tensor) -> Iterator[NDArray[np.uint8]]:
        """Render keypoints (F, D) batch by batch: uint8 (n, H, W, 3), F frames in all."""
        for batch in self.place(keypoints).split(self.batch):
            yield self.draw(batch)

    def renderings(self, keypoints: Tensor) -> Iterator[Rendering]:
        """Render keypoints (F, D) batch by batch, with dense motion and occlusion map."""
        for batch in self.place(keypoints).split(self.batch):
            yield self._rendering(batch)

    @torch.no_grad()
    def _rendering(self, placed: Tensor) -> Rendering:
        """Render keypoints in a batch that is filled up."""
        count = len(placed)
        whole = self.backbone.rendering(self.appearance, self._filled(placed))
        occlusion = None if whole.occlusion is None else whole.occlusion[:count]
        return Rendering(whole.frames[:count], whole.deformation[:count], occlusion)

    def _filled(self, placed: Tensor) -> Tensor:
        """A batch (n, D) filled up with copies of its last vector."""
        return torch.cat([placed, placed[-1:].expand(self.batch - len(placed), -1)])

    def render_all(
        self, futures: Tensor, on_futures: Callable[[int], None] = lambda done: None
    ) -> NDArray[np.uint8]:
        """Render futures (N, F, D) in full: uint8 (N, F, H, W, 3)."""
        videos = []
        for index, future in enumerate(futures, start=1):
            videos.append(self.render(future))
            on_futures(index)
        return np.stack(videos)
