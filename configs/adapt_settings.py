"""Settings of adapting a detector by self-made pairs."""

from typing import Literal

from pydantic import Field

from flawcast.configs.frozen import Settings


class PastedPoses(Settings):
    """How wide the poses of pasted parts are, and what else varies in self-made pairs.

    Args:
        turn: Largest turn to either side, degrees.
        scale: Largest factor of the size; the smallest is one over it.
        beside: Share of its size by which a part's centre may lie outside the frame.
        near: Share of the pairs whose second pose is near to the first, as in the next frames.
        clutter: Share of the frames with another part in them.
        cover: Share of the frames with a bar or a patch before everything.
        shadow: Share of the frames with a soft shadow.
        shake: Share of the frames whose plate lies a little beside its place.
        shake_way: How far, as a share of the frame.
        light: Largest relative change of the light.
        noise: Largest standard deviation of sensor noise on the [0, 1] scale.
    """

    turn: float = Field(default=35, ge=0, le=180)
    scale: float = Field(default=1.3, ge=1, le=4)
    beside: float = Field(default=0.1, ge=0, le=0.5)
    near: float = Field(default=0.4, ge=0, le=1)
    clutter: float = Field(default=0.2, ge=0, le=1)
    cover: float = Field(default=0.25, ge=0, le=1)
    shadow: float = Field(default=0.3, ge=0, le=1)
    shake: float = Field(default=0.3, ge=0, le=1)
    shake_way: float = Field(default=0.015, ge=0, le=0.1)
    light: float = Field(default=0.12, ge=0, lt=1)
    noise: float = Field(default=0.02, ge=0, lt=1)


class AdaptLosses(Settings):
    """What each loss of a self-made pair counts.

    Args:
        flow: Error of the motion on the part's points: the strongest.
        composite: Pyramid of errors and of their slopes on the picture.
        alpha: The same on the matte.
        equivariance: Every keypoint moves as its part does.
        spread: Keypoints lie on the part, spread as it is.
    """

    flow: float = Field(default=20, ge=0)
    composite: float = Field(default=4, ge=0)
    alpha: float = Field(default=2, ge=0)
    equivariance: float = Field(default=4, ge=0)
    spread: float = Field(default=1, ge=0)


class AdaptTraining(Settings):
    """Training of a detector on self-made pairs.

    Args:
        steps: Number of steps.
        minutes: Stop before a step would begin after so many minutes; None for all steps. What is
            learnt then depends on the machine's speed.
        batch: Pairs of a step.
        learning_rate: The first one; it falls by half a cosine wave.
        drawn: Whether pairs are drawn shapes, without any clip.
        poses: What varies between the frames of a pair.
        losses: What each loss counts.
        held_out: Pairs on which the result is measured.
        precision: "auto" for bf16 where the machine multiplies it in hardware.
        checkpoint_every: Steps between checkpoints.
    """

    steps: int = Field(default=200, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    batch: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    drawn: bool = False
    poses: PastedPoses = PastedPoses()
    losses: AdaptLosses = AdaptLosses()
    held_out: int = Field(default=64, ge=1)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    checkpoint_every: int = Field(default=100, ge=1)
