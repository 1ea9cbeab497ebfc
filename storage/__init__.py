"""Sample sets on disk: commit them whole, query them with SQL, load and verify them."""

from typing import TYPE_CHECKING, Any

from storage.sample_set import SampleSet, SetProvenance
from storage.store import SampleStore
from storage.verification import StoreProblem

if TYPE_CHECKING:
    from storage.dataset import SampleSetDataset

__all__ = ["SampleSet", "SampleSetDataset", "SampleStore", "SetProvenance", "StoreProblem"]


def __getattr__(name: str) -> Any:
    """Import the torch dataset only where it is used: the rest of the store needs no torch."""
    if name == "SampleSetDataset":
        from storage.dataset import SampleSetDataset

        return SampleSetDataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
