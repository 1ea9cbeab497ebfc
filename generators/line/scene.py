"""One frame of the line: belt, rails, shadow, part and light."""

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.generators.line import geometry
from flawcast.generators.line.belt import DETAIL, LENGTH, WIDTH, Surroundings, light
from flawcast.generators.line.damage import Damage, break_part
from flawcast.generators.line.motion import Ride
from flawcast.generators.line.parts import Part
from flawcast.generators.line.products import Floats
from flawcast.generators.line.solid import Face, draw_solid, to_fixed

SHADOW = 128  # pixels across the shadow, which is soft


class LineScene:
    """Everything of a clip, prepared for one size of frame.

    Args:
        part: The product.
        surroundings: Belt, rails and light.
        motion: How it all moves.
        damage: What breaks, if anything does.
        size: Height and width of the frames.
    """

    def __init__(
        self,
        part: Part,
        surroundings: Surroundings,
        motion: Ride,
        damage: Damage | None,
        size: int,
    ) -> None:
        self.part, self.surroundings, self.motion = part, surroundings, motion
        self.damage, self.size = damage, size
        self._begun = motion.begun()
        self.factor = 4 if size <= 96 else 3 if size <= 160 else 2
        canvas = size * self.factor
        pixels = min(len(part.texture), round(2.3 * part.half * canvas))
        whole = np.dstack([part.texture, part.alpha])
        face = cv2.resize(whole, (pixels, pixels), interpolation=cv2.INTER_AREA)
        self._face = np.asarray(face, np.uint8)
        belt, detail = surroundings.belt, (round(LENGTH * canvas), round(WIDTH * canvas))
        if canvas < DETAIL:
            smaller = cv2.resize(belt, detail, interpolation=cv2.INTER_AREA)
            belt = np.asarray(smaller, np.uint8)
        self._belt = belt
        shape = (size, size)
        self._rails = cv2.resize(surroundings.rails, shape, interpolation=cv2.INTER_AREA)
        rows = np.arange(size) + 0.5
        top, bottom = surroundings.edges
        inside = np.minimum(rows - top * size, bottom * size - rows)
        self._open = np.clip(0.5 + inside, 0, 1)[:, None, None].astype(np.float32)
        self._gain, self._spot = light(surroundings, size)

    def draw(self, frame: int) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
        """Draw one frame without sensor noise.

        Returns:
            RGB around [0, 1], (H, W, 3); part and defect masks, (H, W).
        """
        pose = geometry.pose_at(self.part, self.motion, frame)
        face = self._damaged(frame)
        lamp, camera = self.surroundings.lamp, self.surroundings.camera
        colour, cover, broken = draw_solid(
            self.part, face, pose, lamp, self.size, self.factor, camera
        )
        image = self._background(float(self.motion.belt[frame]), pose)
        image = (image * (1 - cover[..., None]) + colour) * self._gain[..., None]
        image += (self.part.gloss * self._spot * cover)[..., None]
        part_mask = cover > 0.5
        if self.damage is not None:
            return image, part_mask, (broken > 0.3) & part_mask
        return image, part_mask, part_mask & self._begun[frame]

    def background(self, frame: int) -> Floats:
        """What a frame shows below its part, with the part's shadow: RGB, (H, W, 3)."""
        pose = geometry.pose_at(self.part, self.motion, frame)
        image = self._background(float(self.motion.belt[frame]), pose)
        return np.asarray(image * self._gain[..., None], np.float32)

    def _damaged(self, frame: int) -> Face:
        """The top face with as much damage as it has by now."""
        if self.damage is None:
            return Face(self._face, np.zeros_like(self._face[..., 3]))
        shade = float(np.mean(self.part.side)) / 0.82
        share = float(self.motion.crack[frame])
        colour, broken = break_part(self.damage, share, self._face[..., :3], shade)
        return Face(np.dstack([colour, self._face[..., 3]]), broken)

    def _background(self, run: float, pose: geometry.Pose) -> Floats:
        """Belt and rails with the part's soft shadow, (H, W, 3)."""
        unit = LENGTH / self._belt.shape[1]
        texture = np.array([[unit, 0, 0.8 - LENGTH], [0, unit, -WIDTH / 2], [0, 0, 1]])
        canvas = self.size * self.factor
        plane = geometry.belt_homography(run, self.surroundings.camera)
        view = np.diag([canvas, canvas, 1.0]) @ plane @ texture
        border = cv2.BORDER_WRAP if self.surroundings.endless else cv2.BORDER_CONSTANT
        belt = cv2.warpPerspective(self._belt, view, (canvas, canvas), borderMode=border)
        belt = cv2.resize(belt, (self.size, self.size), interpolation=cv2.INTER_AREA)
        back = belt * (self._open / 255) + self._rails * ((1 - self._open) / 255)
        return np.asarray(back * (1 - 0.5 * self._shadow(pose))[..., None], np.float32)

    def _shadow(self, pose: geometry.Pose) -> Floats:
        """How much of the lamp the part hides from the belt, (H, W)."""
        mask = np.zeros((SHADOW, SHADOW), np.uint8)
        lamp = self.surroundings.lamp
        outline = self.part.outlines[0] * self.part.half
        for height in (0.0, self.part.height / 2, self.part.height):
            world = geometry.to_world(pose, outline, height)
            ground = world - world[:, 2:] * (lamp / lamp[2])
            points = to_fixed(geometry.to_picture(ground, self.surroundings.camera) * SHADOW)
            cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 2.2)
        how = cv2.INTER_AREA if self.size < SHADOW else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(soft, (self.size, self.size), interpolation=how), np.float32)
