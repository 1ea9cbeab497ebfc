"""The arms of `flawcast uplift-images`: what each scorer is trained with."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageArm:
    """What an arm's scorer is trained with: kinds of `Table.pixels`.

    Args:
        kinds: The kinds of pictures to train on.
        balanced: Whether good and defective pictures are drawn equally often.
        shuffled: Whether moved frames get each other's masks: the control.
    """

    kinds: tuple[str, ...]
    balanced: bool = True
    shuffled: bool = False

    @property
    def synthetic(self) -> bool:
        """Whether it has frames made of stills."""
        return len(self.kinds) > 1


ARMS = {
    "real": ImageArm(("real",), balanced=False),
    "real, balanced": ImageArm(("real",)),
    "real, augmented": ImageArm(("real augmented",)),
    "+ transfer": ImageArm(("real", "moved")),
    "+ transfer, augmented": ImageArm(("real augmented", "moved augmented")),
    "+ transfer, augmented, masks shuffled": ImageArm(
        ("real augmented", "moved augmented"), shuffled=True
    ),
}
