"""What `flawcast uplift-images --k` compares, as settings."""

from pathlib import Path

from pydantic import Field

from flawcast.configs.settings import Settings


class FewRequest(Settings):
    """What is compared.

    Args:
        images: Folder of pictures NAME.* with NAME_mask.png beside the defective ones.
        out: Folder for results; an interrupted run goes on there.
        number: Regular expression whose first group is a number in a picture's file name.
        gap: Two pictures show the same item if their numbers differ by at most this.
        k: Numbers of defective stills to learn from.
        seeds: How often the stills are drawn.
        good: Good stills to learn from.
        copies: Pictures with a pasted defect.
        augmented: Changed copies of each picture to learn from.
        share: Synthetic share of the weight in training.
    """

    images: Path
    out: Path
    number: str = r"(\d+)"
    gap: int = Field(0, ge=0)
    k: tuple[int, ...] = (3, 10)
    seeds: int = Field(5, ge=1)
    good: int = Field(40, ge=2)
    copies: int = Field(80, ge=1)
    augmented: int = Field(3, ge=1)
    share: float = Field(0.5, gt=0, lt=1)
