"""Sample sets on disk: commit them whole, query them with SQL, load and verify them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from storage.sample_set import SampleSet, SetProvenance
from storage.store import SampleStore
from storage.verification import StoreProblem

if TYPE_CHECKING:
    from storage.dataset import SampleSetDataset
    from storage.loading import SampleLoader
    from storage.sampling import MixedDataset

__all__ = [
    "MixedDataset",
    "SampleLoader",
    "SampleSet",
    "SampleSetDataset",
    "SampleStore",
    "SetProvenance",
    "StoreProblem",
]
WITH_TORCH = {
    "SampleSetDataset": "storage.dataset",
    "SampleLoader": "storage.loading",
    "MixedDataset": "storage.sampling",
}


def __getattr__(name: str) -> Any:
    """Import what needs torch only where it is used: the rest of the store does without."""
    if name in WITH_TORCH:
        return getattr(import_module(WITH_TORCH[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
