"""One part in one pose as the camera sees it: walls and top face, drawn large, averaged down."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.generators.line import geometry
from flawcast.generators.line.geometry import OBLIQUE, Camera, Points, Pose
from flawcast.generators.line.parts import Part
from flawcast.generators.line.products import Floats, Mask

COARSE = 4  # canvas pixels per computed point of a bent face's map, which is smooth


@dataclass(frozen=True)
class Bounds:
    """The piece of the picture that holds the part.

    Args:
        left: First column, in frame pixels.
        top: First row.
        width: Columns.
        height: Rows.
        factor: Canvas pixels per frame pixel.
        size: Height and width of the whole frame.
        camera: What looks at it.
    """

    left: int
    top: int
    width: int
    height: int
    factor: int
    size: int
    camera: Camera

    def pixels(self, picture: Points) -> Points:
        """Fractions of the picture, (..., 2), as canvas pixels of this window."""
        return picture * (self.size * self.factor) - self._origin()

    def view(self) -> Points:
        """The same as a homography, (3, 3), to the indices of pixels."""
        scale = self.size * self.factor
        x, y = self._origin() + 0.5
        return np.array([[scale, 0, -x], [0, scale, -y], [0, 0, 1.0]])

    def canvas(self) -> tuple[int, int]:
        """Rows and columns of the canvas."""
        return self.height * self.factor, self.width * self.factor

    def _origin(self) -> Points:
        return np.array([self.left, self.top], np.float64) * self.factor


@dataclass(frozen=True)
class Face:
    """A top face, ready for one size of frame.

    Args:
        surface: RGB and material (RGBA), uint8, (n, n, 4).
        broken: Where it is damaged, uint8, (n, n).
    """

    surface: NDArray[np.uint8]
    broken: Mask


def draw_solid(
    part: Part,
    face: Face,
    pose: Pose,
    lamp: Points,
    size: int,
    factor: int,
    camera: Camera = OBLIQUE,
) -> tuple[Floats, Floats, Floats]:
    """Draw the part without its surroundings.

    Args:
        part: The product.
        face: Its top face, damaged or not.
        pose: Where it is.
        lamp: Unit vector towards the lamp.
        size: Height and width of the frame.
        factor: How many times larger it is drawn before averaging.
        camera: What looks at it.

    Returns:
        Colour times cover (H, W, 3), cover (H, W), damaged share (H, W), all in [0, 1].
    """
    plane = [outline.astype(np.float64) * part.half for outline in part.outlines]
    feet = [geometry.to_world(pose, points, 0.0) for points in plane]
    heads = [geometry.to_world(pose, points, part.height) for points in plane]
    window = _window(np.concatenate(feet + heads), size, factor, camera)
    walls, wall_cover = _walls(part, feet, heads, lamp, window)
    surface, broken, shading = _top(part, face, pose, lamp, window)
    top = surface[..., 3:] * np.float32(1 / 255)
    behind = (1 - top) * (wall_cover[..., None] * np.float32(1 / 255))
    layer = np.empty((*top.shape[:2], 5), np.float32)
    layer[..., :3] = surface[..., :3] * (top * shading)
    layer[..., :3] += walls * behind
    layer[..., :3] *= np.float32(1 / 255)
    layer[..., 3:4] = top + behind
    layer[..., 4] = broken * top[..., 0] * np.float32(1 / 255)
    small = cv2.resize(layer, (window.width, window.height), interpolation=cv2.INTER_AREA)
    whole = np.zeros((size, size, 5), np.float32)
    rows = slice(window.top, window.top + window.height)
    whole[rows, window.left : window.left + window.width] = small
    return whole[..., :3], whole[..., 3], whole[..., 4]


def to_fixed(pixels: Points) -> NDArray[np.int32]:
    """Pixel coordinates as OpenCV's fixed point with 4 fractional bits."""
    return np.round((pixels - 0.5) * 16).astype(np.int32)


def shading_of(normal: Points, lamp: Points) -> Points:
    """Brightness of a surface by its normal, (..., 3) to (...); 1 where it lies flat."""
    lit = 0.4 + 0.65 * np.clip(normal @ lamp, 0, None)
    return np.asarray(lit / (0.4 + 0.65 * lamp[2]))


def _window(world: Points, size: int, factor: int, camera: Camera) -> Bounds:
    """The smallest window, with a little air, around world points."""
    picture = geometry.to_picture(world, camera) * size
    low = np.clip(np.floor(picture.min(axis=0)) - 1, 0, size - 2).astype(int)
    high = np.clip(np.ceil(picture.max(axis=0)) + 1, low + 2, size).astype(int)
    width, height = high - low
    return Bounds(int(low[0]), int(low[1]), int(width), int(height), factor, size, camera)


def _walls(part: Part, feet: list[Points], heads: list[Points], lamp: Points,
           window: Bounds) -> tuple[NDArray[np.uint8], Mask]:  # fmt: skip
    """Walls that face the camera, far ones first: colour (C, C, 3) and cover (C, C)."""
    low, high = np.concatenate(feet), np.concatenate(heads)
    last = np.concatenate([np.roll(points, -1, axis=0) for points in feet])
    next_high = np.concatenate([np.roll(points, -1, axis=0) for points in heads])
    corners = np.stack([high, next_high, last, low], axis=1)  # (edges, 4, 3)
    quads = geometry.to_picture(corners.reshape(-1, 3), window.camera).reshape(-1, 4, 2)
    first, second = quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1]
    facing = np.flatnonzero(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] > 0)
    order = facing[np.argsort((low @ window.camera.direction)[facing])]
    normal = np.cross(next_high - high, low - high)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    shade = 0.34 + 0.62 * np.clip(normal @ lamp, 0, None)
    side = np.array(part.side) * 255
    colour = np.empty((*window.canvas(), 3), np.uint8)
    colour[:] = (side * 0.5).astype(np.uint8)
    cover = np.zeros(window.canvas(), np.uint8)
    points = to_fixed(window.pixels(quads[order]))
    tones = (side * shade[order, None]).astype(int).tolist()
    for quad, tone in zip(points, tones, strict=True):
        cv2.fillConvexPoly(colour, quad, tone, cv2.LINE_8, 4)
        cv2.fillConvexPoly(cover, quad, 255, cv2.LINE_8, 4)
    return colour, cover


def _top(part: Part, face: Face, pose: Pose, lamp: Points, window: Bounds
         ) -> tuple[NDArray[np.uint8], Mask, Floats]:  # fmt: skip
    """Top face in the window: RGBA (C, C, 4), damage (C, C), shading (C, C, 1) or (1, 1, 1)."""
    unit = 2 * part.half / len(face.surface)
    view = window.view() @ geometry.face_homography(pose, part.height, window.camera)
    rows, columns = window.canvas()
    if not pose.bend:
        middle = -part.half + 0.5 * unit
        texture = view @ np.array([[unit, 0, middle], [0, unit, middle], [0, 0, 1]])
        surface = cv2.warpPerspective(face.surface, texture, (columns, rows))
        broken = cv2.warpPerspective(face.broken, texture, (columns, rows))
        shading = np.full((1, 1, 1), shading_of(pose.turn[:, 2], lamp), np.float32)
        return np.asarray(surface, np.uint8), np.asarray(broken, np.uint8), shading
    plane = _plane_under(part, pose, np.asarray(np.linalg.inv(view)), window)
    maps = ((plane + part.half) / unit - 0.5).astype(np.float32)
    x, y = cv2.split(cv2.resize(maps, (columns, rows), interpolation=cv2.INTER_LINEAR))
    surface = cv2.remap(face.surface, x, y, cv2.INTER_LINEAR)
    broken = cv2.remap(face.broken, x, y, cv2.INTER_LINEAR)
    slope = geometry.bend_offset(pose, plane)[2][..., None]
    normal = np.concatenate([-slope * pose.axis, np.ones_like(slope)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    lit = shading_of(normal @ pose.turn.T, lamp).astype(np.float32)
    shading = np.asarray(cv2.resize(lit, (columns, rows)), np.float32)[..., None]
    return np.asarray(surface, np.uint8), np.asarray(broken, np.uint8), shading


def _plane_under(part: Part, pose: Pose, back: Points, window: Bounds) -> Points:
    """Points of the bent part's plane that the canvas shows, coarsely, by fixed-point steps."""
    rows, columns = window.canvas()
    across = np.linspace(0, columns, -(-columns // COARSE), endpoint=False)
    down = np.linspace(0, rows, -(-rows // COARSE), endpoint=False)
    x, y = np.meshgrid(across + (columns / len(across) - 1) / 2, down + (rows / len(down) - 1) / 2)
    aim = np.stack([x, y, np.ones_like(x)], axis=-1) @ back.T
    flat = aim[..., :2] / aim[..., 2:]
    # A raised point is seen on the flat face where the camera's ray through it meets that face.
    camera = pose.turn.T @ (window.camera.distance * window.camera.direction - pose.place)
    drift = (flat - camera[:2]) / (camera[2] - part.height)
    plane = flat
    for _ in range(6):
        shift, rise, _ = geometry.bend_offset(pose, plane)
        plane = flat - shift - rise[..., None] * drift
    return np.asarray(plane)
