"""`DefectLayer`: a defect on a part in its source frame, with its exact mask and its growth."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]
Box = tuple[int, int, int, int]  # left, top, right, bottom, pixels; right and bottom excluded

HALF = 127  # of a pixel's cover, above which it belongs to the mask
FRONT = 0.12  # share of the growth during which a pixel turns from sound to defective


@dataclass(frozen=True)
class DefectLayer:
    """A defect, ready to be laid over its source frame and to be moved with the part.

    Colours are multiplied by alpha, as in the cut-outs of `layers`: such a picture may be warped
    and averaged without dark or light seams. Alpha is no larger than it has to be. Where a defect
    only darkens the part, its colour is black and its alpha the share of light that is lost, so
    the part's own texture, light and grain show through, also in frames whose light differs from
    that of the source.

    Args:
        pixels: RGBA, colours multiplied by alpha, (h, w, 4).
        cover: How much of each pixel lies in the defect, [0, 255], (h, w).
        hole: How much of each pixel has lost the part, [0, 255], (h, w). What is behind shows
            there, below `pixels`.
        onset: When each pixel turns defective, from 0 to 1, (h, w).
        box: Where it lies in the source frame.
        size: (H, W) of the source frame.
        kind: Type of a procedural defect, "cut_out" for one of a bank, or "placebo".
        label: What the defect is called.
        source_id: Item of the bank that it comes from; empty for a procedural one.
        seed: Decides the defect, with its kind and its part.
        length: Its length as a share of the part's extent.
        angle: Its direction from that of the part's long side, degrees.
        place: Its centre in the part's terms, as `Host.in_part` gives it.
        severity: The severity that was asked for, [0, 1].
        wanted: Contrast-to-noise that the severity asks for; None where the defect has its own.
        contrast: Contrast-to-noise against the part, measured on the source frame.
        harmless: Whether it is a placebo, whose mask is empty.
    """

    pixels: Image
    cover: Image
    hole: Image
    onset: Floats
    box: Box
    size: tuple[int, int]
    kind: str
    label: str
    source_id: str
    seed: int
    length: float
    angle: float
    place: tuple[float, float]
    severity: float
    wanted: float | None
    contrast: float
    harmless: bool = False

    def at(self, progress: float) -> tuple[Image, Mask]:
        """What has grown so far.

        Args:
            progress: 0 for nothing, 1 for the whole defect; more and less count as these.

        Returns:
            RGBA, colours multiplied by alpha, (h, w, 4), and the mask, (h, w), both in the box.
        """
        grown = self._grown(progress)
        return _scaled(self.pixels, grown), self._mask(grown)

    def hole_at(self, progress: float) -> Image:
        """How much of each pixel has lost the part so far, [0, 255], (h, w)."""
        return _scaled(self.hole, self._grown(progress))

    def cover_at(self, progress: float) -> Image:
        """How much of each pixel is defective so far, [0, 255], (h, w); 0 for a placebo."""
        if self.harmless:
            return np.zeros_like(self.cover)
        return _scaled(self.cover, self._grown(progress))

    def mask(self, progress: float = 1.0) -> Mask:
        """The mask of the whole source frame, (H, W)."""
        left, top, right, bottom = self.box
        full = np.zeros(self.size, bool)
        full[top:bottom, left:right] = self._mask(self._grown(progress))
        return full

    def over(self, picture: Image, background: Image | None = None, progress: float = 1.0) -> Image:
        """The source frame with the defect.

        Args:
            picture: RGB, (H, W, 3); it is not changed.
            background: What is behind the part, (H, W, 3), for a defect with a hole.
            progress: As in `at`.
        """
        left, top, right, bottom = self.box
        result = picture.copy()
        inner = picture[top:bottom, left:right]
        if background is not None and self.hole.any():
            inner = mixed(inner, background[top:bottom, left:right], self.hole_at(progress))
        result[top:bottom, left:right] = laid_over(inner, self.at(progress)[0])
        return result

    def baked(self, picture: Image, background: Image) -> "DefectLayer":
        """The same for a model without a background: holes show a piece of it that stays.

        Args:
            picture: The source frame, RGB, (H, W, 3).
            background: What is behind the part there, (H, W, 3).
        """
        left, top, right, bottom = self.box
        before = picture[top:bottom, left:right]
        after = self.over(picture, background)[top:bottom, left:right]
        share = self.hole.astype(np.float32)[..., None] / 255
        alpha = share + (1 - share) * (self.pixels[..., 3:] / np.float32(255))
        light = np.clip(after - (1 - alpha) * before, 0, 255 * alpha)
        pixels = np.concatenate([light, 255 * alpha], -1).round().astype(np.uint8)
        return replace(self, pixels=pixels, hole=np.zeros_like(self.hole))

    def _grown(self, progress: float) -> Floats | None:
        """How far each pixel has turned, [0, 1], (h, w); None if all have."""
        if progress >= 1:
            return None
        if progress <= 0:
            return np.zeros_like(self.onset)
        front = progress * (1 + FRONT)
        return np.clip((front - self.onset) / FRONT, 0, 1)

    def _mask(self, grown: Floats | None) -> Mask:
        """Where a defect is that has grown so far, (h, w)."""
        if self.harmless:
            return np.zeros(self.cover.shape, bool)
        inside = self.cover > HALF
        return inside if grown is None else inside & (grown > 0.5)


def smallest_alpha(before: Image, after: Floats) -> Image:
    """The layer of least alpha that turns one picture into another when laid over it.

    Args:
        before: RGB, (h, w, 3).
        after: RGB in [0, 255], (h, w, 3).

    Returns:
        RGBA, colours multiplied by alpha, (h, w, 4): 0 where nothing changes.
    """
    old = before.astype(np.float32)
    after = np.clip(after, 0, 255)
    lost = (old - after) / np.maximum(old, 1)
    gained = (after - old) / np.maximum(255 - old, 1)
    alpha = np.clip(np.maximum(lost, gained).max(-1), 0, 1)
    alpha = np.ceil(alpha * 255) / 255  # rounding down would leave no room for the colour
    light = np.clip(after - (1 - alpha)[..., None] * old, 0, 255 * alpha[..., None])
    alpha = np.where(np.abs(after - old).max(-1) < 0.5, 0, alpha)
    light[alpha == 0] = 0
    return np.concatenate([light, 255 * alpha[..., None]], -1).round().astype(np.uint8)


def laid_over(picture: Image, pixels: Image) -> Image:
    """A picture (h, w, 3) under a layer of premultiplied RGBA (h, w, 4)."""
    rest = cv2.merge([255 - pixels[..., 3]] * 3)
    under = cv2.multiply(picture, rest, scale=1 / 255)
    return np.asarray(cv2.add(under, np.ascontiguousarray(pixels[..., :3])), np.uint8)


def mixed(picture: Image, other: Image, share: Image) -> Image:
    """Two pictures (h, w, 3), the second one by a share in [0, 255], (h, w)."""
    weight = share.astype(np.float32)[..., None] / 255
    return np.round(picture * (1 - weight) + other * weight).astype(np.uint8)


def _scaled(values: Image, grown: Floats | None) -> Image:
    """Values (h, w) or (h, w, c), weakened where the defect has not grown yet."""
    if grown is None:
        return values
    weight = grown if values.ndim == 2 else grown[..., None]
    return np.round(values * weight).astype(np.uint8)
