"""The paper's data sets: their layout on disk and the horizons of their evaluation."""

from pathlib import Path

from flawcast.configs.errors import SettingsError
from flawcast.configs.preset_files import read_yaml
from flawcast.configs.settings import Settings, validated

DATASETS = Path(__file__).parent / "datasets"


class PublishedFigure(Settings):
    """A figure that others published for this data set.

    Args:
        mode: "reconstruction" or "transfer".
        horizon: Past and future frames, for instance "12-12".
        forecaster: Name of the forecaster in flawcast.
        score: "mae" or "jedi" for single futures; "apd", "kept mae", "ssim", "ratio mean" or
            "ratio median" for samples.
        value: The figure.
        source: The publication.
    """

    mode: str
    horizon: str
    forecaster: str
    score: str
    value: float
    source: str


class Dataset(Settings):
    """The description of a data set for an evaluation.

    Args:
        title: Its name.
        layout: Layout of its clips on disk, for people; the folders train and test are its splits.
        horizons: Past and future frames, separated by commas.
        published: Published figures to show alongside, marked as such.
    """

    title: str
    layout: str
    horizons: str
    published: tuple[PublishedFigure, ...] = ()


def dataset_names() -> list[str]:
    """Names of the data sets that ship with flawcast."""
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
        names = ", ".join(dataset_names())
        raise SettingsError(f"dataset: expected one of {names} or a YAML file, got {name!r}")
    return validated(Dataset, read_yaml(path), f"dataset {name}")
