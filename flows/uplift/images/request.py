"""What `flawcast uplift-images` compares, as settings."""

from pathlib import Path

from pydantic import Field

from flawcast.configs.settings import Settings


class ImagesRequest(Settings):
    """What is compared.

    Args:
        images: Folder of pictures NAME.* with NAME_mask.png beside the defective ones.
        driving: Folder of clips whose motion the pictures take on.
        out: Folder for results; an interrupted run goes on there.
        model: Model folder, or name of a shipped model; only its motion model is used.
        number: Regular expression whose first group is a number in a picture's file name.
        gap: Two pictures show the same item if their numbers differ by at most this.
        folds: Number of cross-validation folds; an item is in one fold only.
        seeds: How often the folds are drawn and trained again.
        copies: Frames made of each picture, and augmented copies.
        steps: Training steps, the same in all arms.
        share: Synthetic share of the pictures drawn in training.
    """

    images: Path
    driving: Path
    out: Path
    model: str = "line-128"
    number: str = r"(\d+)"
    gap: int = Field(0, ge=0)
    folds: int = Field(4, ge=2)
    seeds: int = Field(2, ge=1)
    copies: int = Field(2, ge=1)
    steps: int = Field(300, ge=1)
    share: float = Field(0.5, gt=0, lt=1)
