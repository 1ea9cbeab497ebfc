"""What `flawcast uplift` compares, as settings."""

from pathlib import Path

from pydantic import Field

from flawcast.configs.settings import Settings
from flawcast.flows.generate.request import usable_cores
from flawcast.flows.uplift.arms import USUAL
from flawcast.flows.uplift.making import Making

OWN_PARTS = "own"  # in place of a model


class UpliftRequest(Settings):
    """What is compared.

    Args:
        clips: Folder of real clips with the splits "train" and "test"; "line" for the built-in
            line.
        out: Folder for clips of the line, samples, cells and report; an interrupted run goes on
            there.
        store: Samples of those clips; None has `augment` make some for every K and seed.
        model: Model folder, or name of a shipped model; its motion model makes the samples. "own"
            moves the clips' own parts, with nothing trained.
        line_seed: Seed of the built-in line.
        line_size: Width of its frames in pixels; None for the usual one.
        k: Numbers of real defect clips per label, in the order in which they are run.
        seeds: How many times those clips are drawn.
        arms: Which of `ARMS`.
        detectors: Which of `DETECTORS`; none for those that are strong, where they are installed.
        steps: Training steps, the same in all arms.
        share: Synthetic share of the videos drawn in training.
        normal: The label of good clips.
        validation: Score on clips of the split "val", or without any on held-out training clips,
            and read no test clip. The report then says for each defect whether to use samples.
        making: How samples are made.
        workers: Ray worker processes; 0 or 1 work in this process, without Prefect and Ray.
        ray_address: A running Ray cluster.
    """

    clips: Path
    out: Path
    store: str | None = None
    model: str = "demo"
    line_seed: int = Field(7, ge=0)
    line_size: int | None = None
    k: tuple[int, ...] = (1, 3, 5, 10)
    seeds: int = Field(5, ge=1)
    arms: tuple[str, ...] = USUAL
    detectors: tuple[str, ...] = ()
    steps: int = Field(650, ge=1)
    share: float = Field(0.5, gt=0, lt=1)
    normal: str = "normal"
    validation: bool = False
    making: Making = Making()
    workers: int = Field(default_factory=usable_cores, ge=0)
    ray_address: str | None = None
