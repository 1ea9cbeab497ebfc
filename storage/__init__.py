"""Sample sets on disk: commit them whole, query them with SQL, load and verify them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flawcast.configs.extras import named_if_missing
from flawcast.storage.layered import Layers
from flawcast.storage.notebook import tell_ipython
from flawcast.storage.problems import StoreProblem
from flawcast.storage.sample_set import SampleSet, SetProvenance
from flawcast.storage.store import SampleStore

if TYPE_CHECKING:
    from flawcast.storage.dataset import SampleSetDataset
    from flawcast.storage.loading import SampleLoader
    from flawcast.storage.sampling import MixedDataset

__all__ = [
    "Layers",
    "MixedDataset",
    "SampleLoader",
    "SampleSet",
    "SampleSetDataset",
    "SampleStore",
    "SetProvenance",
    "StoreProblem",
]
WITH_TORCH = {
    "SampleSetDataset": "flawcast.storage.dataset",
    "SampleLoader": "flawcast.storage.loading",
    "MixedDataset": "flawcast.storage.sampling",
}


tell_ipython()


def __getattr__(name: str) -> Any:
    """Import classes that need torch only when they are used; the rest does without torch."""
    if name in WITH_TORCH:
        with named_if_missing(f"flawcast.storage.{name}"):
            return getattr(import_module(WITH_TORCH[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
