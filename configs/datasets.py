"""The paper's data sets: how they lie on disk, at which horizons they are evaluated."""

from pathlib import Path

from flawcast.configs.errors import SettingsError
from flawcast.configs.preset_files import read_yaml
from flawcast.configs.settings import Settings, validated

DATASETS = Path(__file__).parent / "datasets"


class PublishedFigure(Settings):
    """A figure that others published for this data set.

    Args:
        mode: "reconstruction" or "transfer".
        horizon: Past and future, "12-12".
        forecaster: By its name here.
        score: "mae", "jedi" of single futures; "apd", "kept mae", "ssim", "ratio mean" or
            "ratio median" of samples.
        value: The figure.
        source: Where it is published.
    """

    mode: str
    horizon: str
    forecaster: str
    score: str
    value: float
    source: str


class Dataset(Settings):
    """What an evaluation needs to know of a data set.

    Args:
        title: Its name.
        layout: How its clips lie on disk, for people: the folders train and test are its splits.
        horizons: Past and future frames.
        published: Figures to show alongside, marked as published.
    """

    title: str
    layout: str
    horizons: str
    published: tuple[PublishedFigure, ...] = ()


def dataset_names() -> list[str]:
    """Names of the data sets that are known."""
    return sorted(path.stem for path in DATASETS.glob("*.yaml"))


def load_dataset(name: str) -> Dataset:
    """Read a data set's description by name, or a YAML file of the same kind by path.

    Raises:
        SettingsError: If there is none, or it does not hold valid settings.

    Example:
        >>> load_dataset("bair").horizons
        '5-5,5-20,15-15'
    """
    path = Path(name) if Path(name).suffix in {".yaml", ".yml"} else DATASETS / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(dataset_names())
        raise SettingsError(f"dataset: expected one of {known} or a YAML file, got {name!r}")
    return validated(Dataset, read_yaml(path), f"dataset {name}")
