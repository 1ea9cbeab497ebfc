"""One training of a comparison: a finished one is read, an interrupted one is resumed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from flawcast.configs.identity import content_id
from flawcast.flows.evaluation.horizon import Horizon
from flawcast.generators.forecasters import KeypointPredictor
from flawcast.generators.forecasters.cross_validation import Candidate, Fold, fit_candidate
from flawcast.generators.forecasters.predictor import FILE
from flawcast.generators.forecasters.published import import_published
from flawcast.generators.forecasters.training import Recipe

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Fitting:
    """One training.

    Args:
        candidate: The forecaster to train.
        fold: The clips to train on and to test on.
        horizon: Past and future.
        seed: Seeds the initial weights and the training.
        recipe: How long and how fast.
        folder: Where the fitted predictor is kept.
        parts: Where fits of a mixture's parts are kept, by name; those that are there are used.
    """

    candidate: Candidate
    fold: Fold
    horizon: Horizon
    seed: int
    recipe: Recipe
    folder: Path
    parts: tuple[tuple[str, Path], ...] = ()

    @property
    def title(self) -> str:
        """The candidate, the horizon and the fold, for people."""
        where = f", without {self.fold.name}" if self.fold.name else ""
        return f"{self.candidate.label}, {self.horizon}{where}, seed {self.seed}"

    @property
    def done(self) -> bool:
        """Whether it was fitted before."""
        return (self.folder / FILE).is_file()

    def work(self) -> None:
        """Fit, unless it was done before."""
        self.predictor()

    def predictor(self) -> KeypointPredictor:
        """The predictor with trained weights.

        Raises:
            FlawcastError: If the clips are too short, or the training diverges.
        """
        if self.done:
            return KeypointPredictor.load(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        predictor = fit_candidate(
            self.candidate,
            self.fold,
            self.horizon.past,
            self.horizon.future,
            seed=self.seed,
            recipe=self.recipe,
            trained={
                name: KeypointPredictor.load(folder)
                for name, folder in self.parts
                if (folder / FILE).is_file()
            },
            checkpoint=self.folder / CHECKPOINT,
        )
        predictor.save(self.folder)
        return predictor


@dataclass(frozen=True)
class Imported:
    """Weights that others published, in place of a training.

    Args:
        candidate: The forecaster that is tested.
        fold: Its test clips are used, its training clips are not read.
        horizon: Past and future.
        seed: Seeds the noise.
        file: The published file.
    """

    candidate: Candidate
    fold: Fold
    horizon: Horizon
    seed: int
    file: Path

    @property
    def title(self) -> str:
        """The candidate, the horizon and the fold, for people."""
        return f"{self.candidate.label}, {self.horizon}, on {self.fold.name}, seed {self.seed}"

    def predictor(self) -> KeypointPredictor:
        """The predictor with published weights.

        Raises:
            ModelError: If the file does not hold such weights.
        """
        return import_published(self.file, self.candidate.name, self.horizon.past)


def fit_key(
    candidate: Candidate, clips: Mapping[str, Any], horizon: Horizon, seed: int, recipe: Recipe
) -> dict[str, Any]:
    """Everything that decides the result of a training, as plain values.

    Args:
        candidate: The forecaster to train.
        clips: The training clips; their content decides the result.
        horizon: Past and future.
        seed: Seeds the initial weights and the training.
        recipe: How long and how fast.
    """
    return {
        **clips,
        "horizon": str(horizon),
        "seed": seed,
        "recipe": asdict(recipe),
        "name": candidate.name,
        "config": dict(candidate.config),
    }


def fit_folder(out: Path, key: Mapping[str, Any]) -> Path:
    """The folder for a training's result."""
    return out / "fits" / content_id("fit", **key)


@lru_cache(maxsize=16)
def read_fit(folder: Path) -> KeypointPredictor:
    """A fitted predictor, read once per process."""
    return KeypointPredictor.load(folder)
