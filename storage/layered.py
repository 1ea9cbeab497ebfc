"""Videos that are kept as what they are drawn from, and drawn when they are read."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import StoreError
from flawcast.configs.extras import named_if_missing
from flawcast.configs.renderers import RENDERERS, Drawing
from flawcast.storage.arrays import array_sha256
from flawcast.storage.packing import Entries, pack, sha256_of_packed

What = Literal["videos", "masks", "valid"]

CLEAN = -1  # the seed of a video without fresh noise
HELD_BYTES = 2**28  # of the sources that this process read last


@dataclass(frozen=True, eq=False)
class Layers:
    """What the kept videos of a set are drawn from.

    Args:
        renderer: What draws them, a name in `flawcast.configs.renderers.RENDERERS`.
        size: (H, W) of a frame.
        source: The arrays that the renderer needs of the source frame.
        keypoints: Of each kept video, carried over to the source, (K, F, D), float32.
        seeds: Of each kept video's sensor noise, (K,), int64; -1 for a video without.
        known_sha256: `source_sha256` of layers that were read and compared with their checksums.
    """

    renderer: str
    size: tuple[int, int]
    source: Mapping[str, NDArray[Any]]
    keypoints: NDArray[np.float32]
    seeds: NDArray[np.int64]
    known_sha256: str = ""

    def videos(self) -> "LayeredArray":
        """The kept videos, (K, F, H, W, 3)."""
        return LayeredArray("videos", self.shape, lambda: self)

    def masks(self) -> "LayeredArray":
        """Their masks, (K, F, H, W), of a source that holds what masks are made of."""
        return LayeredArray("masks", self.shape, lambda: self)

    def valid(self) -> "LayeredArray":
        """Where the masks are reliable, (K, F, H, W)."""
        return LayeredArray("valid", self.shape, lambda: self)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(K, F, H, W)."""
        return (*self.keypoints.shape[:2], *self.size)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return sum(array.nbytes for array in (*self.source.values(), self.keypoints))

    @cached_property
    def packed(self) -> tuple[NDArray[np.uint8], Entries]:
        """The source's arrays as they are stored: their bytes, and which they are."""
        return pack(self.source)

    @cached_property
    def source_sha256(self) -> str:
        """SHA-256 of the source's arrays, of their names and of the renderer's."""
        if self.known_sha256:
            return self.known_sha256
        data, entries = self.packed
        return sha256_of_packed(self.renderer, entries, array_sha256(data))

    def video_sha256(self, rank: int) -> str:
        """SHA-256 of what one video is drawn from."""
        own = f"{self.source_sha256} {array_sha256(self.keypoints[rank])} {int(self.seeds[rank])}"
        return hashlib.sha256(own.encode()).hexdigest()

    def draw(self, what: What, rank: int, frames: Sequence[int]) -> NDArray[Any]:
        """Draw some frames of one video, in ascending order.

        Raises:
            MissingExtraError: If the renderer needs a package that is not installed.
            SettingsError: If there is no such renderer.
            StoreError: If the source does not hold what the renderer needs.
        """
        keypoints, seed = self.keypoints[rank], int(self.seeds[rank])
        try:
            if what == "videos":
                return self.drawing.frames(keypoints, None if seed == CLEAN else seed, frames)
            if what == "valid" and self.drawing.always_valid:
                return np.ones((len(frames), *self.size), bool)
            return self.drawing.maps(keypoints, frames)[what == "valid"]
        except KeyError as error:
            raise StoreError(
                f"{what}: {self.renderer} draws them from an array {error}, which is not there"
            ) from error

    @cached_property
    def drawing(self) -> Drawing:
        """The source, ready to be drawn."""
        with named_if_missing("videos that are kept as layers"):
            renderer = RENDERERS[self.renderer]
        return renderer(self.source)


class LayeredArray:
    """Reads like an array of videos or masks; what is asked for is drawn, and nothing else.

    Takes integers, slices and lists of indices for video and frame: `videos[3]`, `videos[3, :5]`.
    `numpy.asarray` draws everything.

    Args:
        what: "videos", "masks" or "valid".
        shape: (K, F, H, W).
        find: Returns what they are drawn from; called for every read.
    """

    def __init__(
        self, what: What, shape: tuple[int, int, int, int], find: Callable[[], Layers]
    ) -> None:
        self.what: What = what
        self.find = find
        self.shape: tuple[int, ...] = (*shape, 3) if what == "videos" else shape
        self.dtype: np.dtype[Any] = np.dtype(bool if what == "valid" else np.uint8)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of everything, drawn."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[rank] for rank in range(len(self)))

    def __getitem__(self, key: Any) -> NDArray[Any]:
        first, second, rest = _split(key, self.ndim)
        ranks, frames = _chosen(first, self.shape[0]), _chosen(second, self.shape[1])
        layers = self.find()
        ascending = np.unique(frames)
        drawn = np.empty((len(ranks), len(frames), *self.shape[2:]), self.dtype)
        for place, rank in enumerate(ranks):
            pictures = layers.draw(self.what, rank, ascending.tolist())
            drawn[place] = pictures[np.searchsorted(ascending, frames)]
        whole = drawn if _many(second) else drawn[:, 0]
        whole = whole if _many(first) else whole[0]
        return whole[(..., *rest)] if rest else whole

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return self[...].astype(self.dtype if dtype is None else dtype, copy=False)

    def sha256(self, rank: int) -> str:
        """SHA-256 of what one video or mask is drawn from."""
        return self.find().video_sha256(rank)


def _split(key: Any, axes: int) -> tuple[Any, Any, tuple[Any, ...]]:
    """An index as those of video, of frame, and of what follows, one for each further axis."""
    parts = list(key) if isinstance(key, tuple) else [key]
    if len([part for part in parts if part is not Ellipsis]) > axes:
        raise IndexError(f"videos: expected at most {axes} indices, got {len(parts)}")
    if any(part is Ellipsis for part in parts):
        at = next(place for place, part in enumerate(parts) if part is Ellipsis)
        parts[at : at + 1] = [slice(None)] * (axes - len(parts) + 1)
    parts += [slice(None)] * (axes - len(parts))
    rest = tuple(parts[2:])
    return parts[0], parts[1], () if all(part == slice(None) for part in rest) else rest


def _chosen(part: Any, size: int) -> list[int]:
    """The indices that one part of a key means."""
    chosen = np.arange(size)[part]
    return [int(one) for one in np.atleast_1d(chosen)]


def _many(part: Any) -> bool:
    """Whether a part of a key keeps its axis."""
    return not isinstance(part, int | np.integer)


class Held:
    """The layers that a process read last, so that the next video of a set finds them decoded.

    Args:
        most: Bytes that are held at most; the newest is held in any case.
    """

    def __init__(self, most: int = HELD_BYTES) -> None:
        self._most, self._lock = most, threading.Lock()
        self._layers: OrderedDict[str, Layers] = OrderedDict()

    def get(self, key: str, load: Callable[[], Layers]) -> Layers:
        """The layers of a key, loaded if they are not held."""
        with self._lock:
            if key in self._layers:
                self._layers.move_to_end(key)
                return self._layers[key]
        layers = load()
        with self._lock:
            self._layers[key] = layers
            while len(self._layers) > 1 and self._total() > self._most:
                self._layers.popitem(last=False)
        return layers

    def _total(self) -> int:
        """Bytes held."""
        return sum(layers.nbytes for layers in self._layers.values())


HELD = Held()
