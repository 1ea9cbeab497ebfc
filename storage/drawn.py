"""Sets without pixels in a store: what is written of them, and how it is read and drawn."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from flawcast.configs.errors import StoreError
from flawcast.storage.arrays import open_array, read_array
from flawcast.storage.layered import HELD, LayeredArray, Layers, What
from flawcast.storage.layout import array_folder
from flawcast.storage.packing import packed_bytes, sha256_of_packed, unpack
from flawcast.storage.place import Place
from flawcast.storage.schema import DRAWN, LAYER_ARRAYS, MASK_ARRAYS

PROBE_SIDE = 32  # pixels along each side of a frame that its probe holds
SAME_MEAN, SAME_SHARE, SAME_PIXEL = 0.5, 0.99, 8  # gray levels; docs/store.md explains them


def layer_arrays(layers: Layers) -> dict[str, NDArray[Any]]:
    """The arrays that are written instead of videos."""
    return {
        "layers": layers.packed[0],
        "drawn_keypoints": layers.keypoints,
        "noise_seeds": layers.seeds,
        "probe": probe_of(layers),
    }


def layer_facts(layers: Layers, masks: bool) -> dict[str, Any]:
    """What the set's row says of them.

    Args:
        layers: The layers.
        masks: Whether masks are drawn, too.
    """
    data, entries = layers.packed
    height, width = (min(PROBE_SIDE, side) for side in layers.size)
    return {
        "renderer": layers.renderer,
        "source": [list(entry) for entry in entries],
        "layer_bytes": len(data),
        "probe_height": height,
        "probe_width": width,
        "masks": masks,
    }


def is_drawn(row: Mapping[str, Any], name: str) -> bool:
    """Whether an array of a row's set is drawn when it is read."""
    facts = row["checksums"].get(DRAWN)
    return facts is not None and (name == "videos" or (name in MASK_ARRAYS and facts["masks"]))


def open_drawn(place: Place, row: Mapping[str, Any], name: What) -> LayeredArray:
    """Open videos or masks that are drawn; nothing is read before the first index."""
    shape = (row["keep"], row["future"], row["height"], row["width"])
    load = partial(read_layers, place, row)
    return LayeredArray(name, shape, partial(HELD.get, f"{place.url} {row['arrays']}", load))


def read_checked(
    array: "zarr.Array[Any] | LayeredArray",
    name: str,
    rank: int,
    sha256: str,
    frames: slice = slice(None),
) -> NDArray[Any]:
    """Read one video or mask and compare its checksum, or that of what it is drawn from.

    Args:
        array: An open array, as `SampleStore.open_array` returns it.
        name: Name of the array in messages.
        rank: Which of the kept videos.
        sha256: The column `video_sha256` of its row, or for masks `mask_sha256`.
        frames: Which frames to return; no others are drawn.

    Raises:
        StoreError: If it cannot be read or is not what was written.
    """
    if not isinstance(array, LayeredArray):
        return read_array(array, name, rank, sha256)[frames]
    if array.sha256(rank) != sha256:
        raise StoreError(f"{name}: what it is drawn from is not what was written")
    return array[rank, frames]


def mask_sha256(checksums: Mapping[str, Any], name: str, sample: Mapping[str, Any]) -> str:
    """Checksum of a sample's masks, or of what they are drawn from.

    Args:
        checksums: Those of the set's row.
        name: "masks" or "valid".
        sample: The sample's row.
    """
    by_rank = checksums.get(f"{name} by rank")
    return str(sample["video_sha256"] if by_rank is None else by_rank[sample["rank"]])


def read_layers(place: Place, row: Mapping[str, Any]) -> Layers:
    """Read what a set's videos are drawn from, and compare every byte with its checksum.

    Raises:
        StoreError: If it is damaged.
    """
    facts, checksums = row["checksums"][DRAWN], row["checksums"]
    entries = facts["source"]
    if packed_bytes(entries) != facts["layer_bytes"]:
        raise StoreError("layers: the row's sizes do not agree")
    arrays = {
        name: read_array(
            open_array(place, array_folder(row["arrays"]), name, row), name, ..., checksums[name]
        )
        for name in LAYER_ARRAYS
        if name != "probe"
    }
    return Layers(
        renderer=facts["renderer"],
        size=(row["height"], row["width"]),
        source=unpack(arrays["layers"], entries),
        keypoints=arrays["drawn_keypoints"],
        seeds=arrays["noise_seeds"],
        known_sha256=sha256_of_packed(facts["renderer"], entries, checksums["layers"]),
    )


def probe_of(layers: Layers) -> NDArray[np.uint8]:
    """Pixels of one frame of each kept video, on a grid: (K, h, w, 3).

    Together the frames cover the whole time. Whoever draws the videos later can see by them
    whether he gets what their writer got.
    """
    count, future, height, width = layers.shape
    rows = np.linspace(0, height - 1, min(PROBE_SIDE, height)).round().astype(int)
    columns = np.linspace(0, width - 1, min(PROBE_SIDE, width)).round().astype(int)
    frames = [
        layers.draw("videos", rank, [(rank * future + future // 2) // count])[0]
        for rank in range(count)
    ]
    return np.stack([frame[np.ix_(rows, columns)] for frame in frames])


def drawing_problem(place: Place, row: Mapping[str, Any]) -> str:
    """Why the videos that this machine draws are not those that the writer drew; empty if they are.

    Raises:
        StoreError: If a stored array is damaged.
        MissingExtraError: If a package that draws is not installed.
    """
    folder = array_folder(row["arrays"])
    wanted = read_array(
        open_array(place, folder, "probe", row), "probe", ..., row["checksums"]["probe"]
    )
    return difference(probe_of(read_layers(place, row)), wanted)


def difference(drawn: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> str:
    """How two drawings of the same differ by more than rounding; empty if they do not.

    Args:
        drawn: Pixels, (..., 3).
        wanted: The same pixels, as they were drawn before.
    """
    apart = np.abs(drawn.astype(np.int16) - wanted)
    mean, close = float(apart.mean()), float((apart <= SAME_PIXEL).mean())
    if mean <= SAME_MEAN and close >= SAME_SHARE:
        return ""
    return (
        f"expected the pixels that were drawn when it was written, to {SAME_MEAN} gray levels on "
        f"average, got {mean:.2f}, {1 - close:.0%} of them off by more than {SAME_PIXEL}"
    )
