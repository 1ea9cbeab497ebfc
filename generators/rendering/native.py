"""A learned motion model at the clip's own size: the source's pixels, moved by its dense motion."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.keypoint_layouts import KeypointLayout
from flawcast.configs.settings import Transfer
from flawcast.generators.backbones.base import (
    Appearance,
    Context,
    MotionBackbone,
    Rendering,
    Video,
)
from flawcast.generators.backbones.keypoints import keypoints_of
from flawcast.generators.blocks.geometry import coordinate_grid
from flawcast.generators.clips.frames import resize_frame, to_tensor, to_video
from flawcast.generators.training.losses.objective import Objective, Outcome, Pairs

UNSEEN, SEEN = 0.35, 0.65  # of an occlusion map: below the decoder's pixels, above the source's


@dataclass(frozen=True)
class NativeAppearance(Appearance):
    """A source as the model sees it, and its own pixels.

    Args:
        small: The model's appearance.
        source: The source frame at its own size, (1, 3, H, W) in [0, 1].
    """

    small: Appearance
    source: Tensor


class NativeDetail(MotionBackbone):
    """A motion model that sees a small square of the whole frame and draws at the frame's own size.

    The dense motion, enlarged as its difference to the identity, moves the source's pixels. The
    decoder's picture, enlarged, fills what the occlusion map says the source does not show, and
    what comes from beyond its edges.

    Args:
        model: The motion model, in eval mode.
        size: Height and width of the square that it sees.
    """

    def __init__(self, model: MotionBackbone, size: int) -> None:
        super().__init__(model.config)
        self.model, self._square = model, ClipSettings(size=size, fit="stretch")
        self.training = False

    @property
    def device(self) -> torch.device:
        """Device of the model's weights."""
        return self.model.device

    @property
    def layout(self) -> KeypointLayout:
        """Layout of the model's keypoint vectors."""
        return self.model.layout

    @property
    def disentangles(self) -> bool:
        """Whether the model has a network for avd motion."""
        return self.model.disentangles

    def observe(
        self,
        frames: Video,
        past: int | None = None,
        line: Sequence[Video] = (),
        clip_id: str | None = None,
    ) -> Context:
        """Frames of any size, each by itself: RGB, (T, H, W, 3)."""
        del past, line, clip_id
        return _NativeContext(self.model, self._square, frames)

    def keypoints(self, frames: Tensor) -> Tensor:
        """Find the keypoints of frames of any size: (T, 3, H, W) in [0, 1] -> (T, D)."""
        return self.observe(to_video(frames)).keypoints().to(self.device)

    def appearance(self, source: Tensor) -> Appearance:
        """Encode a source frame of any size: (3, H, W) in [0, 1]."""
        return self.observe(to_video(source[None])).appearance(0)

    def rendering(self, appearance: Appearance, keypoints: Tensor) -> Rendering:
        """Draw the source moved to each keypoint vector, at the source's size.

        Raises:
            ModelError: If the vectors are not of the model's length.
        """
        own = cast(NativeAppearance, appearance)
        drawn = self.model.rendering(own.small, keypoints)
        size = own.source.shape[2:]
        rows, columns = drawn.deformation.shape[1:3]
        way = drawn.deformation - coordinate_grid(rows, columns, drawn.deformation)
        way = _enlarged(way.permute(0, 3, 1, 2), size)
        field = _pixel_centres(size, way) + way.permute(0, 2, 3, 1)
        source = own.source.expand(len(field), -1, -1, -1)
        moved = F.grid_sample(source, field, mode="bicubic", align_corners=False).clamp(0, 1)
        inside = (field.abs() <= 1).all(dim=-1)[:, None]
        seen = inside.to(moved)
        if drawn.occlusion is not None:
            visible = _enlarged(drawn.occlusion, size)
            seen = seen * ((visible - UNSEEN) / (SEEN - UNSEEN)).clamp(0, 1)
        decoded = _enlarged(drawn.frames, size, "bicubic").clamp(0, 1)
        frames = decoded + seen * (moved - decoded)
        return Rendering(frames, drawn.deformation, drawn.occlusion)

    def positions(self, keypoints: Tensor) -> Tensor:
        """Positions of keypoints: (F, D) -> (F, K, 2)."""
        return self.model.positions(keypoints)

    def relative(
        self, keypoints: Tensor, start: Tensor, source: Tensor, scale: float = 1.0
    ) -> Tensor:
        """As the model's own."""
        return self.model.relative(keypoints, start, source, scale)

    def avd(self, keypoints: Tensor, source: Tensor) -> Tensor:
        """As the model's own."""
        return self.model.avd(keypoints, source)

    def check_transfer(self, how: Transfer) -> None:
        """As the model's own."""
        self.model.check_transfer(how)

    def losses(self, pairs: Pairs, objective: Objective) -> Outcome:
        """As the model's own: training sees the small square."""
        return self.model.losses(pairs, objective)


class _NativeContext(Context):
    """A clip of which the model sees each frame as a small square."""

    def __init__(self, model: MotionBackbone, square: ClipSettings, frames: Video) -> None:
        super().__init__(frames)
        self._model, self._square = model, square

    def keypoints(self) -> Tensor:
        """Keypoints of all frames, (T, D)."""
        squares = np.stack([resize_frame(frame, self._square) for frame in self.frames])
        return keypoints_of(self._model, squares)

    @torch.no_grad()
    def appearance(self, index: int) -> NativeAppearance:
        """Appearance of one of the frames."""
        frame, device = self.frames[index], self._model.device
        square = to_tensor(resize_frame(frame, self._square)).to(device)
        source = to_tensor(frame[None]).to(device)
        return NativeAppearance(self._model.appearance(square), source)


def _pixel_centres(size: Sequence[int], like: Tensor) -> Tensor:
    """Positions (x, y) of pixels, the frame's outer edges at -1 and 1: (H, W, 2).

    Where the model moves nothing, each pixel of the source stays exactly what it is.
    """
    ys, xs = ((torch.arange(count).to(like) * 2 + 1) / count - 1 for count in size)
    return torch.stack(torch.meshgrid(xs, ys, indexing="xy"), dim=-1)


def _enlarged(maps: Tensor, size: Sequence[int], mode: str = "bilinear") -> Tensor:
    """Maps (F, C, h, w) at another size."""
    return F.interpolate(maps, tuple(size), mode=mode, align_corners=False)
