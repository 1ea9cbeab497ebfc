"""Many plausible, labelled, traceable defect videos from a few real clips: the public face.

Each name is imported when it is first asked for, so `import flawcast` takes no time and needs
neither torch nor Ray nor Prefect; a name whose packages are not installed says what to install.

Example:
    >>> import flawcast
    >>> flawcast.SampleStore.__name__
    'SampleStore'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flawcast.configs.clip_settings import ClipSettings
    from flawcast.configs.errors import FlawcastError
    from flawcast.configs.settings import GenerateSettings, TrainSettings
    from flawcast.flows.augment import AugmentRequest, augment
    from flawcast.flows.generate.request import GenerateRequest
    from flawcast.flows.generate.run import generate
    from flawcast.flows.train.run import train
    from flawcast.flows.uplift.detectors.features import frame_features
    from flawcast.generators.clips import Clip, iter_clips, read_clip
    from flawcast.generators.clips.dataset import ClipDataset
    from flawcast.generators.model import Model, find_model, load_model
    from flawcast.storage import (
        MixedDataset,
        SampleLoader,
        SampleSet,
        SampleSetDataset,
        SampleStore,
        StoreProblem,
    )

    __version__: str

__all__ = [
    "AugmentRequest",
    "Clip",
    "ClipDataset",
    "ClipSettings",
    "FlawcastError",
    "GenerateRequest",
    "GenerateSettings",
    "MixedDataset",
    "Model",
    "SampleLoader",
    "SampleSet",
    "SampleSetDataset",
    "SampleStore",
    "StoreProblem",
    "TrainSettings",
    "__version__",
    "augment",
    "find_model",
    "frame_features",
    "generate",
    "iter_clips",
    "load_model",
    "read_clip",
    "train",
]
_HOMES = {
    "configs.clip_settings": ["ClipSettings"],
    "configs.errors": ["FlawcastError"],
    "configs.settings": ["GenerateSettings", "TrainSettings"],
    "flows.augment.run": ["augment"],
    "flows.augment.request": ["AugmentRequest"],
    "flows.generate.request": ["GenerateRequest"],
    "flows.generate.run": ["generate"],
    "flows.train.run": ["train"],
    "flows.uplift.detectors.features": ["frame_features"],
    "generators.clips": ["Clip", "iter_clips", "read_clip"],
    "generators.clips.dataset": ["ClipDataset"],
    "generators.model": ["Model", "find_model", "load_model"],
    "storage": ["SampleSet", "SampleStore", "StoreProblem"],
    "storage.dataset": ["SampleSetDataset"],
    "storage.loading": ["SampleLoader"],
    "storage.sampling": ["MixedDataset"],
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for.

    Raises:
        MissingExtraError: If packages that it needs are not installed.
    """
    if name == "__version__":
        from importlib.metadata import version

        return version("flawcast")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'flawcast' has no attribute {name!r}")
    from flawcast.configs.extras import named_if_missing

    home = _HOME_OF[name]
    at_least = "generate" if home.startswith("flows.") else "torch"
    with named_if_missing(f"flawcast.{name}", at_least):
        value = getattr(import_module(f"flawcast.{home}"), name)
    globals()[name] = value  # asked for once
    return value


def __dir__() -> list[str]:
    """Public names, for completion."""
    return sorted({*globals(), *__all__})
