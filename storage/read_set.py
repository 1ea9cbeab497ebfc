"""Reading a whole set: every byte is compared with its checksum."""

from typing import Any

import numpy as np

from flawcast.storage.arrays import open_array, read_array
from flawcast.storage.catalogue import Catalogue
from flawcast.storage.drawn import is_drawn, read_layers
from flawcast.storage.layout import array_folder
from flawcast.storage.sample_set import PROVENANCE, SampleSet, SetProvenance
from flawcast.storage.schema import ARRAYS, MASK_ARRAYS


def read_set(catalogue: Catalogue, row: dict[str, Any]) -> SampleSet:
    """Read the set of a row.

    Raises:
        StoreError: If it is damaged.
    """
    place, folder = catalogue.place, array_folder(row["arrays"])
    arrays: dict[str, Any] = {
        name: read_array(open_array(place, folder, name, row), name, ..., row["checksums"][name])
        for name in (*ARRAYS, *MASK_ARRAYS)
        if name in row["checksums"]
    }
    if is_drawn(row, "videos"):
        layers = read_layers(place, row)
        drawn = ("videos", *(name for name in MASK_ARRAYS if is_drawn(row, name)))
        arrays |= {name: getattr(layers, name)() for name in drawn}
    samples = catalogue.samples(row)
    return SampleSet(
        id=row["set_id"],
        indices=[sample["index"] for sample in samples],
        ssim=np.array([sample["ssim"] for sample in samples], np.float32),
        diversity=np.array([sample["diversity"] for sample in samples], np.float32),
        hold_mae=row["hold_mae"],
        apd=row["apd"],
        coherence=np.nan if row["coherence"] is None else row["coherence"],
        provenance=SetProvenance(**{item.name: row[item.name] for item in PROVENANCE}),
        **arrays,
    )
