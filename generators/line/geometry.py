"""Where points of a part land in the picture: bending, leaning, and a slightly oblique camera."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flawcast.generators.line.motion import Ride
from flawcast.generators.line.parts import Part

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A camera that looks at the middle of the belt, about one world unit wide.

    Args:
        pitch: Away from looking straight down, in radians.
        distance: In widths of the picture; from far away, both sides of the belt look alike.
    """

    pitch: float
    distance: float

    @cached_property
    def direction(self) -> Points:
        """Towards the camera in the world: right, towards the viewer, up."""
        return np.array([0, np.sin(self.pitch), np.cos(self.pitch)])

    @cached_property
    def matrix(self) -> Points:
        """Homogeneous: world (right, towards the viewer, up, 1) to picture (0 to 1, 0 to 1)."""
        sin, cos, distance = np.sin(self.pitch), np.cos(self.pitch), self.distance
        return np.array(
            [
                [distance, -0.5 * sin, -0.5 * cos, 0.5 * distance],
                [0, distance * cos - 0.5 * sin, -distance * sin - 0.5 * cos, 0.5 * distance],
                [0, -sin, -cos, distance],
            ]
        )


OBLIQUE = Camera(float(np.radians(30)), 3.2)


@dataclass(frozen=True)
class Pose:
    """A part at one moment: world = turn @ flexed(part) + place.

    Args:
        turn: Rotation, (3, 3).
        place: Position of the middle of its base, (3,).
        bend: Curvature per world unit; 0 is flat.
        sway: Sideways bending in the part's plane, relative to `bend`.
        axis: Unit vector of the part's plane along which it bends.
        centre: Where along `axis` it is held, in world units.
        one_sided: Whether only the far end bends.
        reach: Largest distance from `centre` that the part has along `axis`.
    """

    turn: Points
    place: Points
    bend: float
    sway: float
    axis: Points
    centre: float
    one_sided: bool
    reach: float


def pose_at(part: Part, motion: Ride, frame: int) -> Pose:
    """Pose of a part in a frame of its motion; a leaning part stands on its lowest edge."""
    turn = _rotation_z(motion.heading[frame])
    place = np.array([motion.x[frame], motion.y[frame], 0.0])
    tilt, lean = motion.tilt[frame], motion.lean[frame]
    if tilt:
        flat = (part.outlines[0].astype(np.float64) * part.half) @ turn[:2, :2].T
        direction = np.array([np.cos(lean), np.sin(lean), 0.0])
        pivot = direction * (flat @ direction[:2]).max()
        rotation = _rotation_about(np.array([-direction[1], direction[0], 0.0]), tilt)
        place = place + pivot - rotation @ pivot
        turn = rotation @ turn
    axis = np.array([np.cos(motion.bend_axis), np.sin(motion.bend_axis)])
    centre = motion.bend_centre * part.half
    along = part.outlines[0] @ axis * part.half - centre
    reach = float(along.max() if motion.one_sided else np.abs(along).max())
    bend = float(motion.bend[frame] / (2 * reach))
    return Pose(turn, place, bend, motion.sway, axis, centre, motion.one_sided, reach)


def bend_offset(pose: Pose, plane: NDArray[np.floating]) -> tuple[Points, Points, Points]:
    """How bending moves points of the part's plane.

    Args:
        pose: The part's pose.
        plane: Points in world units, (..., 2).

    Returns:
        Shift in the plane (..., 2), height gained and slope, each (...); lengths stay.
    """
    if not pose.bend:
        flat = np.zeros(plane.shape[:-1])
        return np.zeros(plane.shape), flat, flat
    along = plane @ pose.axis - pose.centre
    if pose.one_sided:
        along = np.maximum(along, 0)
    along = np.clip(along, -1.2 * pose.reach, 1.2 * pose.reach)
    lift = max(0.0, -pose.bend * pose.reach**2)  # a buckled part stands on its ends
    shorter = -2 / 3 * (1 + pose.sway**2) * pose.bend**2 * along**3
    sideways = pose.sway * pose.bend * (along**2 - (0 if pose.one_sided else pose.reach**2 / 3))
    across = np.array([-pose.axis[1], pose.axis[0]])
    shift = shorter[..., None] * pose.axis + sideways[..., None] * across
    return shift, pose.bend * along**2 + lift, 2 * pose.bend * along


def to_world(pose: Pose, plane: NDArray[np.floating], height: float) -> Points:
    """Points of the part's plane at some height in it, (n, 2), in the world, (n, 3)."""
    shift, rise, _ = bend_offset(pose, plane)
    flexed = np.column_stack([plane + shift, rise + height])
    return np.asarray(flexed @ pose.turn.T + pose.place)


def to_picture(world: Points, camera: Camera = OBLIQUE) -> Points:
    """Project world points, (n, 3), to fractions of the picture, (n, 2)."""
    projected = world @ camera.matrix[:, :3].T + camera.matrix[:, 3]
    return np.asarray(projected[:, :2] / projected[:, 2:])


def face_homography(pose: Pose, height: float, camera: Camera = OBLIQUE) -> Points:
    """Map of the flat part's plane at some height to the picture, (3, 3)."""
    columns = np.column_stack(
        [pose.turn[:, 0], pose.turn[:, 1], pose.turn[:, 2] * height + pose.place]
    )
    return np.asarray(camera.matrix @ np.vstack([columns, [0, 0, 1]]))


def belt_homography(run: float, camera: Camera = OBLIQUE) -> Points:
    """Map of the belt's own plane to the picture after it has run some distance."""
    shifted = np.array([[1, 0, run], [0, 1, 0], [0, 0, 0], [0, 0, 1.0]])
    return np.asarray(camera.matrix @ shifted)


def _rotation_z(angle: float) -> Points:
    """Turn about the vertical."""
    sin, cos = np.sin(angle), np.cos(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])


def _rotation_about(axis: Points, angle: float) -> Points:
    """Turn about a unit vector (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
