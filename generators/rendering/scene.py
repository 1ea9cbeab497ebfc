"""A source frame ready to be animated: its appearance, and how keypoints are carried over to it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.settings import Transfer
from flawcast.generators.backbones import Appearance, MotionBackbone, Rendering
from flawcast.generators.clips.frames import to_tensor, to_video

PIXELS_PER_GPU_BATCH = 2**22  # 64 frames at 256x256
MOST_PER_BATCH = 16  # on a CPU; more are no faster, and the last batch of a video is seldom full


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
    def encode(
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

    @property
    def batch(self) -> int:
        """Frames that are drawn at once.

        Always so many, filled up where there are fewer: convolutions round differently for another
        number of frames, and a frame must be the same in whatever company it is drawn.
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
        return to_video(self._rendering(placed).frames)

    def render(self, keypoints: Tensor) -> NDArray[np.uint8]:
        """Render keypoints (F, D) in batches that fit the cache: uint8 (F, H, W, 3)."""
        return np.concatenate(list(self.rendered(keypoints)))

    def rendered(self, keypoints: Tensor) -> Iterator[NDArray[np.uint8]]:
        """Render keypoints (F, D) batch by batch: uint8 (n, H, W, 3), F frames in all."""
        for drawn in self.renderings(keypoints):
            yield to_video(drawn.frames)

    def renderings(self, keypoints: Tensor) -> Iterator[Rendering]:
        """Render keypoints (F, D) batch by batch, with dense motion and occlusion map."""
        for batch in self.place(keypoints).split(self.batch):
            yield self._rendering(batch)

    @torch.no_grad()
    def _rendering(self, placed: Tensor) -> Rendering:
        """Draw keypoints in a batch that is filled up with the last of them."""
        count = len(placed)
        filler = placed[-1:].expand(self.batch - count, -1)
        drawn = self.backbone.rendering(self.appearance, torch.cat([placed, filler]))
        occlusion = None if drawn.occlusion is None else drawn.occlusion[:count]
        return Rendering(drawn.frames[:count], drawn.deformation[:count], occlusion)

    def render_all(
        self, futures: Tensor, on_futures: Callable[[int], None] = lambda done: None
    ) -> NDArray[np.uint8]:
        """Render futures (N, F, D) in full: uint8 (N, F, H, W, 3)."""
        videos = []
        for index, future in enumerate(futures, start=1):
            videos.append(self.render(future))
            on_futures(index)
        return np.stack(videos)
