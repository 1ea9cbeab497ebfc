"""How a part moves in each state: poses over time, with strength, onset and direction by seed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]  # one value per frame


@dataclass
class Ride:
    """Everything that changes over a clip; time runs from 0 to 1 whatever the number of frames.

    Args:
        belt: Distance that the belt has run, in world units.
        x: Place of the part along the belt.
        y: Place across it, towards the viewer.
        heading: Turn about the vertical, in radians.
        tilt: Lean out of the belt's plane, in radians.
        lean: Direction of the lean, in radians.
        bend: Curvature times half extent; 0 is flat.
        crack: Share of the crack or chip that is open.
        bend_axis: Direction in the part's plane along which it bends.
        bend_centre: Where along that direction it is held.
        sway: Sideways share of the bending, in the part's plane.
        one_sided: Whether only one end bends.
        chip: Whether a corner breaks out instead of a crack growing.
        onset: When the defect begins; above 1 for none.
    """

    belt: Series
    x: Series
    y: Series
    heading: Series
    tilt: Series
    lean: Series
    bend: Series
    crack: Series
    bend_axis: float
    bend_centre: float
    sway: float
    one_sided: bool
    chip: bool
    onset: float

    def begun(self) -> NDArray[np.bool_]:
        """Whether the defect has begun, per frame."""
        return np.asarray(np.linspace(0, 1, len(self.x)) >= self.onset)


def draw_motion(
    label: str, rng: np.random.Generator, frames: int, way: tuple[float, float] = (0.25, 0.3)
) -> Ride:
    """Draw the motion of one clip from `rng`; every label starts as a normal ride.

    Args:
        label: "normal" or one of `DEFECTS`.
        rng: Decides it all.
        frames: Number of frames.
        way: Shortest and longest way of the belt, in widths of the picture.
    """
    time = np.linspace(0, 1, frames)
    travel = rng.uniform(*way)
    depth, beats, phase = rng.uniform(0.02, 0.08), rng.uniform(0.5, 1.5), rng.uniform(0, 6.28)
    drift = np.sin(2 * np.pi * beats * time + phase) - np.sin(phase)
    belt = travel * (time + depth * drift)
    still = np.zeros(frames)
    motion = Ride(
        belt=belt,
        x=belt - travel / 2 + rng.uniform(-0.02, 0.02),
        y=still + rng.uniform(-0.05, 0.05),
        heading=still + np.radians(rng.uniform(-18, 18)),
        tilt=still.copy(),
        lean=still.copy(),
        bend=still.copy(),
        crack=still.copy(),
        bend_axis=0.0,
        bend_centre=0.0,
        sway=0.0,
        one_sided=False,
        chip=False,
        onset=float(rng.uniform(0.26, 0.44)),
    )
    if label == "normal":
        motion.onset = 2.0
    else:
        DEFECTS[label](motion, rng, time)
    return motion


def _ease(time: Series, start: float, duration: float) -> Series:
    """Rise from 0 to 1 with no kink at either end."""
    share = np.clip((time - start) / duration, 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


def _run(speed: Series, belt: Series) -> Series:
    """Distance covered at a share of the belt's speed."""
    steps = np.diff(belt) * (speed[1:] + speed[:-1]) / 2
    return np.concatenate([[0.0], np.cumsum(steps)])


def _side(rng: np.random.Generator) -> float:
    """-1 or 1."""
    return float(rng.choice([-1.0, 1.0]))


def _jam(motion: Ride, rng: np.random.Generator, time: Series) -> None:
    """Stop and shudder while the belt runs on; some parts come free again."""
    grip = _ease(time, motion.onset, rng.uniform(0.05, 0.18))
    if rng.uniform() < 0.4:
        grip -= _ease(time, motion.onset + rng.uniform(0.25, 0.5), rng.uniform(0.1, 0.25))
    hold = rng.uniform(0.85, 1.0)
    motion.x = motion.x[0] + _run(1 - hold * grip, motion.belt)
    beats, phase = rng.uniform(3.5, 7.0), rng.uniform(0, 6.28)
    shudder = grip * np.sin(2 * np.pi * beats * (time - motion.onset) + phase)
    motion.x += rng.uniform(0.004, 0.012) * shudder
    motion.heading += np.radians(rng.uniform(1.0, 5.0)) * shudder * _side(rng)
    motion.heading += np.radians(rng.uniform(0, 14)) * _side(rng) * np.maximum.accumulate(grip)


def _wobble(motion: Ride, rng: np.random.Generator, time: Series) -> None:
    """Swing and rock about an eccentric seat, harder and harder."""
    since = time - motion.onset
    strength = _ease(time, motion.onset, rng.uniform(0.15, 0.5))
    turn = 2 * np.pi * rng.uniform(1.4, 3.4) * since
    swing = strength * np.sin(turn)
    motion.heading += np.radians(rng.uniform(11, 28)) * _side(rng) * swing
    motion.y += rng.uniform(0.01, 0.035) * _side(rng) * swing
    motion.tilt = np.radians(rng.uniform(3, 12)) * strength
    motion.lean = rng.uniform(0, 6.28) + turn * _side(rng)


def _topple(motion: Ride, rng: np.random.Generator, time: Series) -> None:
    """Tip over one edge, ever faster, and come to rest leaning."""
    fall = np.clip((time - motion.onset) / rng.uniform(0.42, 0.68), 0, None)
    rest = np.clip(fall - 1, 0, None)
    bounce = rng.uniform(0.03, 0.1) * np.abs(np.sin(7 * rest)) * np.exp(-4 * rest)
    motion.tilt = np.radians(rng.uniform(38, 62)) * (np.clip(fall, 0, 1) ** 2 - bounce)
    centre = rng.choice([0.0, np.pi / 2, np.pi])  # onwards, towards the viewer, backwards
    motion.lean += centre + rng.uniform(-0.3, 0.3)
    motion.heading += np.radians(rng.uniform(-14, 14)) * np.clip(fall, 0, 1.5) ** 2
    drag = rng.uniform(0.0, 0.5) * _ease(time, motion.onset, 0.4)
    motion.x = motion.x[0] + _run(1 - drag, motion.belt)


def _bend(motion: Ride, rng: np.random.Generator, time: Series) -> None:
    """Curl up at one end or at both, or buckle in the middle, with some spring."""
    rise = _ease(time, motion.onset, rng.uniform(0.25, 0.6))
    spring = 1 + 0.1 * np.sin(2 * np.pi * rng.uniform(1, 3) * (time - motion.onset))
    motion.one_sided = bool(rng.uniform() < 0.4)
    strength = rng.uniform(0.65, 1.0)
    motion.bend = strength * (1 if motion.one_sided else _side(rng)) * rise * spring
    motion.sway = float(rng.uniform(0.4, 0.8) * _side(rng))
    motion.bend_axis = float(rng.choice([0, np.pi]) + rng.uniform(-0.5, 0.5))
    motion.bend_centre = float(rng.uniform(-0.35, 0.0) if motion.one_sided else 0.0)


def _slip(motion: Ride, rng: np.random.Generator, time: Series) -> None:
    """Slide across the belt and fall back on it, turning a little."""
    duration = rng.uniform(0.35, 0.75)
    slide = _ease(time, motion.onset, duration)
    motion.y += rng.uniform(0.09, 0.2) * _side(rng) * slide
    motion.heading += np.radians(rng.uniform(-28, 28)) * slide
    back = rng.uniform(0.1, 0.95) * (slide - _ease(time, motion.onset + duration * 0.6, 0.4))
    motion.x = motion.x[0] + _run(1 - np.clip(back, 0, 1), motion.belt)


def _crack(motion: Ride, rng: np.random.Generator, time: Series) -> None:
    """Open a crack or a chip, in a rush or slowly; the part sags at it a little."""
    share = np.clip((time - motion.onset) / rng.uniform(0.25, 0.6), 0, 1)
    motion.crack = np.where(time >= motion.onset, 0.12 + 0.88 * share ** rng.uniform(0.6, 1.6), 0)
    motion.chip = bool(rng.uniform() < 0.3)
    if not motion.chip:
        motion.bend = -rng.uniform(0.06, 0.2) * _ease(time, motion.onset, 0.6)
    motion.bend_axis = float(rng.uniform(0, 2 * np.pi))


DEFECTS: dict[str, Callable[[Ride, np.random.Generator, Series], None]] = {
    "jam": _jam,
    "wobble": _wobble,
    "topple": _topple,
    "bend": _bend,
    "slip": _slip,
    "crack": _crack,
}
