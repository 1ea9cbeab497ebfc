"""The part that a defect is put on: where it is, how it lies, its light, its grain and its blur."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import DefectError
from flawcast.configs.shapes import expect_shape
from flawcast.generators.backbones.layers.vision import cv2

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Plane = NDArray[np.float64]

SMALLEST_PART = 64  # pixels: on less, no defect has a shape
LEAST_LIGHT = 0.15  # share of the rim's changes that a light explains, below which it is not known
USUAL_LIGHT = (-0.6, -0.8)  # towards the lamp: from above and from the left
OF_DIFFERENCES = 0.57  # pixels squared, that central differences add (measured on steps)
SECOND_BLUR = 1.0  # pixels, by which a picture is blurred again to find how blurred it was


@dataclass(frozen=True)
class Host:
    """A part in a source frame, and what a defect must take over from it.

    Args:
        picture: RGB, (H, W, 3).
        part: Where the part is, (H, W).
        background: What the frame would show without the part, (H, W, 3); None if unknown.
        plane: Map of the part's own plane to pixels, (2, 2): its first column is the direction of
            the part's long side and 1 long, its second one that across, shorter than 1 where the
            part is seen at a slant.
        centre: Centre of the part, (x, y), pixels.
        extent: Length of the part's long side, pixels. Sizes of defects are shares of it.
        light: Direction towards the lamp in the picture, (x, y), of length 1.
        grain: Standard deviation of the noise, gray levels.
        blur: Standard deviation of the blur of edges, pixels.
    """

    picture: Image
    part: Mask
    background: Image | None
    plane: Plane
    centre: Plane
    extent: float
    light: Plane
    grain: float
    blur: float

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.part.shape[0], self.part.shape[1]

    @property
    def angle(self) -> float:
        """Direction of the part's long side, degrees from the picture's x axis, (-90, 90]."""
        degrees = float(np.degrees(np.arctan2(self.plane[1, 0], self.plane[0, 0])))
        return -((-degrees + 90) % 180 - 90)

    def in_part(self, place: NDArray[np.floating]) -> tuple[float, float]:
        """A pixel position in the part's terms: from its centre, along and across, in extents."""
        offset = np.linalg.solve(self.plane, np.asarray(place, float) - self.centre) / self.extent
        return float(offset[0]), float(offset[1])

    def in_picture(self, place: tuple[float, float]) -> Plane:
        """A position in the part's terms as a pixel position (x, y)."""
        return self.centre + self.plane @ np.asarray(place, float) * self.extent


def measure_host(
    picture: Image, part: Mask, background: Image | None = None, plane: Plane | None = None
) -> Host:
    """Measure a part.

    Args:
        picture: RGB, (H, W, 3).
        part: Where the part is, (H, W).
        background: What is behind the part, (H, W, 3); None if unknown.
        plane: As in `Host`, where the camera's slant is known; None for a part seen from above.

    Raises:
        ShapeError: If a picture has other axes.
        DefectError: If the mask is empty or too small, or a mask or background has another size.
    """
    sizes = expect_shape("picture", picture, "H W 3")
    expected = (sizes["H"], sizes["W"])
    for name, other in (("part mask", part), ("background", background)):
        if other is not None and other.shape[:2] != expected:
            raise DefectError(
                f"{name}: expected the picture's size {_size(expected)}, "
                f"got {_size(other.shape[:2])}; resize it"
            )
    part = part.astype(bool)
    if part.sum() < SMALLEST_PART:
        raise DefectError(
            f"part mask: expected at least {SMALLEST_PART} pixels of a part, got "
            f"{int(part.sum())}; name a frame that shows the part, or use larger frames"
        )
    outline = np.argwhere(part)[:, ::-1].astype(np.float32)
    corners = cv2.boxPoints(cv2.minAreaRect(outline)).astype(np.float64)
    sides = corners[1] - corners[0], corners[2] - corners[1]
    long = max(sides, key=lambda side: float(np.linalg.norm(side)))
    extent = float(np.linalg.norm(long)) + 1
    if plane is None:
        x, y = long / np.linalg.norm(long)
        if x < 0 or (x == 0 and y < 0):
            x, y = -x, -y
        plane = np.array([[x, -y], [y, x]])
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return Host(
        picture,
        part,
        background,
        np.asarray(plane, np.float64),
        outline.mean(0).astype(np.float64),
        extent,
        estimate_light(grey, part),
        estimate_grain(picture, part),
        estimate_blur(grey, part),
    )


def estimate_light(grey: NDArray[np.float32], part: Mask) -> Plane:
    """Direction towards the lamp, by which rims of the part are lighter than the part inside.

    Args:
        grey: (H, W).
        part: (H, W).

    Returns:
        (x, y) of length 1; from above and from the left where the rims do not tell.
    """
    usual = np.array(USUAL_LIGHT) / np.linalg.norm(USUAL_LIGHT)
    depth = cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, 5)
    wide = max(2.0, depth.max() / 8)
    smooth = cv2.GaussianBlur(depth, (0, 0), 1.5)
    outward = -np.stack([cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)])
    outward /= np.maximum(np.linalg.norm(outward, axis=0), 1e-3)
    rim = (depth > 1) & (depth <= wide + 1)
    if rim.sum() < SMALLEST_PART:
        return usual
    inner = cv2.blur(grey, (int(4 * wide) | 1,) * 2)
    excess = (grey - inner)[rim]
    excess = np.clip(excess - np.median(excess), -40, 40)
    normals = outward[:, rim].T
    fit, *_ = np.linalg.lstsq(normals, excess, rcond=None)
    explained = float((normals @ fit).std() / max(1e-3, excess.std()))
    strength = float(np.linalg.norm(fit))
    return np.asarray(fit / strength if strength > 0.5 and explained > LEAST_LIGHT else usual)


def estimate_grain(picture: Image, part: Mask) -> float:
    """Standard deviation of the noise on a part, by second differences in its flattest half.

    Reference:
        Immerkaer, 1996, Fast noise variance estimation: the kernel.
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    rough = np.abs(cv2.filter2D(picture.astype(np.float32), cv2.CV_32F, kernel)).mean(-1)
    inner = cv2.erode(part.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    values = cv2.blur(rough, (5, 5))[inner if inner.any() else part]
    return float(np.quantile(values, 0.25)) / 0.8


def estimate_blur(grey: NDArray[np.float32], part: Mask) -> float:
    """Blur of the sharpest edges of a part, pixels, by how much a second blur weakens them.

    Reference:
        Zhuo and Sim, 2011, Defocus map estimation from a single image, eq. 6.
    """
    near = cv2.dilate(part.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    first = _steepness(grey)
    second = _steepness(cv2.GaussianBlur(grey, (0, 0), SECOND_BLUR))
    steep = near & (first >= np.quantile(first[near], 0.97)) & (first > 4)
    if steep.sum() < 8:
        return SECOND_BLUR
    ratio = np.maximum(first[steep] / np.maximum(second[steep], 1e-3), 1.02)
    variance = float(np.median(SECOND_BLUR**2 / (ratio**2 - 1))) - OF_DIFFERENCES
    return float(np.sqrt(np.clip(variance, 0.1, 9.0)))


def _steepness(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Length of the gradient, (H, W)."""
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *order, ksize=1) for order in ((1, 0), (0, 1)))
    return np.hypot(across, down)


def _size(shape: tuple[int, ...]) -> str:
    """A size as users know it, width first."""
    return f"{shape[1]}x{shape[0]}"
