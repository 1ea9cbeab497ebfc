"""The record of a sample set, and the check that it passes before it is written."""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import StoreError
from flawcast.configs.set_settings import SetSettings
from flawcast.configs.shapes import expect_shape
from flawcast.storage.drawn import layer_arrays
from flawcast.storage.layered import CLEAN, LayeredArray, Layers
from flawcast.storage.schema import ARRAYS, MASK_ARRAYS, SET_ID

MODES = ("reconstruction", "transfer")
MASK_KINDS = ("drawn", "motion")


@dataclass(frozen=True)
class SetProvenance:
    """Where a set comes from, and everything needed to make it again.

    Args:
        clip_id: Content hash of the clip whose future was sampled.
        clip_name: Its name in the user's folder.
        label: Its label.
        split: Its split, for instance "train".
        onset: Frame at which its defect begins; None without a defect, or if it is not known.
        window_start: First frame of the window.
        past: Observed frames, P.
        future: Predicted frames, F.
        mode: "reconstruction" or "transfer".
        source_clip_id: Content hash of the clip whose frame was animated.
        source_clip_name: Its name.
        source_frame: Index of that frame.
        backbone: Name of the motion backbone.
        forecaster: Name of the forecaster.
        weights_id: Content hash of the model's weights.
        settings_id: Content hash of the settings.
        settings: The settings as JSON.
        seed: The run's seed.
        samples: Number of sampled futures, N.
        keep: Number of kept futures, K.
        fps: Frames per second of the clip; None if not known.
        run_id: The run that made the set; not part of its id.
        version: Version of flawcast.
    """

    clip_id: str
    clip_name: str
    label: str
    split: str | None
    onset: int | None
    window_start: int
    past: int
    future: int
    mode: str
    source_clip_id: str
    source_clip_name: str
    source_frame: int
    backbone: str
    forecaster: str
    weights_id: str
    settings_id: str
    settings: str
    seed: int
    samples: int
    keep: int
    fps: float | None
    run_id: str
    version: str


PROVENANCE = fields(SetProvenance)


@dataclass(frozen=True, eq=False)
class SampleSet:
    """The sampled futures of one window: kept videos, and keypoints and MAE of all futures.

    Args:
        id: Content hash of everything that decides the set: "set-" and hexadecimal digits.
        videos: Kept videos, best first, RGB, (K, F, H, W, 3). `Layers.videos()` for a set that is
            kept as what they are drawn from: they are drawn when they are indexed.
        indices: For each kept video, its index among the N futures.
        keypoints: Keypoints of all futures, (N, F, D).
        mae: MAE of all futures on the [0, 1] pixel scale, (N,). For futures that were not kept it
            may be a lower bound: rendering stops as soon as a future cannot be kept.
        hold_mae: MAE of repeating the last observed frame.
        past: Observed frames, RGB, (P, H, W, 3).
        reference: The video that futures are compared with, RGB, (F, H, W, 3).
        source: The frame that was animated, RGB, (H, W, 3).
        ssim: SSIM of the kept videos, (K,).
        diversity: Mean distance of each kept video to the other kept ones, (K,).
        apd: Average pairwise displacement of the kept videos.
        coherence: Frame-to-frame displacement of the kept videos divided by the reference's; nan
            if the reference stands still.
        provenance: Where the set comes from.
        masks: A map for each frame of the kept videos, (K, F, H, W); None without masks. Kind
            "drawn": 255 is the defect that was drawn on the source, 128 the part. Kind "motion":
            the difference to the usual motion, 255 for a quarter of the width and more.
            `Layers.masks()` for masks that are drawn with the videos.
        valid: True where the masks are reliable, (K, F, H, W).
    """

    id: str
    videos: NDArray[np.uint8] | LayeredArray
    indices: list[int]
    keypoints: NDArray[np.float32]
    mae: NDArray[np.float32]
    hold_mae: float
    past: NDArray[np.uint8]
    reference: NDArray[np.uint8]
    source: NDArray[np.uint8]
    ssim: NDArray[np.float32]
    diversity: NDArray[np.float32]
    apd: float
    coherence: float
    provenance: SetProvenance
    masks: NDArray[np.uint8] | LayeredArray | None = None
    valid: NDArray[np.bool_] | LayeredArray | None = None

    @property
    def mask_kind(self) -> str | None:
        """What the masks are: "drawn", "motion", or None without."""
        return SetSettings.parse(self.provenance.settings).mask_kind

    def sample_id(self, index: int) -> str:
        """Id of one of the N futures."""
        return f"{self.id}-{index:03d}"

    @property
    def layers(self) -> Layers | None:
        """What the videos are drawn from; None for a set that is kept as pixels."""
        return self.videos.find() if isinstance(self.videos, LayeredArray) else None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of the array folder, by name; those that are drawn are not among them."""
        arrays = {name: getattr(self, name) for name in (*ARRAYS, *MASK_ARRAYS)}
        if self.layers is not None:
            arrays |= layer_arrays(self.layers)
        return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}


def check_set_id(set_id: str) -> None:
    """Refuse a string that is not an id of a set, so that no id can name another file.

    Raises:
        StoreError: If it is not "set-" and 16 to 64 hexadecimal digits.
    """
    if not isinstance(set_id, str) or not SET_ID.fullmatch(set_id):
        raise StoreError(
            f"set id: expected 'set-' and 16 to 64 hexadecimal digits, got {set_id!r}; "
            "list the sets with `flawcast query`"
        )


def check_sample_set(sample_set: SampleSet) -> None:
    """Check a whole set before any part of it is written.

    Raises:
        ShapeError: If the axes of the arrays do not agree.
        StoreError: If a type, a value or the provenance is wrong.
    """
    check_set_id(sample_set.id)
    _check_types(sample_set)
    sizes = _check_axes(sample_set)
    _check_layers(sample_set)
    _check_indices(sample_set.indices, sizes["N"])
    _check_values(sample_set)
    _check_provenance(sample_set.provenance, sizes)
    _check_masks(sample_set)


def _check_types(sample_set: SampleSet) -> None:
    """Check that every array has the type that is stored."""
    without = sample_set.masks is None and sample_set.valid is None
    given = ARRAYS if without else {**ARRAYS, **MASK_ARRAYS}
    wanted = {name: stored.dtype for name, stored in given.items()}
    for name, dtype in {**wanted, "ssim": "float32", "diversity": "float32"}.items():
        array = getattr(sample_set, name)
        drawn = name == "videos" or name in MASK_ARRAYS
        kinds = (np.ndarray, LayeredArray) if drawn else np.ndarray
        if not isinstance(array, kinds) or array.dtype != dtype:
            what = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            raise StoreError(f"{name}: expected an array of {dtype}, got {what}; convert it first")


def _check_layers(sample_set: SampleSet) -> None:
    """Check that videos that are drawn fit the other arrays, and drawn masks the videos."""
    drawn = [getattr(sample_set, name) for name in MASK_ARRAYS]
    drawn = [array for array in drawn if isinstance(array, LayeredArray)]
    layers = sample_set.layers
    if any(array.find() is not layers for array in drawn) or len(drawn) == 1:
        raise StoreError("masks: expected masks and valid of the layers that draw the videos")
    if layers is None:
        return
    length = sample_set.keypoints.shape[2]
    expect_shape("layers.keypoints", layers.keypoints, f"K F {length}")
    expect_shape("layers.seeds", layers.seeds, str(len(layers.keypoints)))
    if layers.keypoints.dtype != np.float32 or layers.seeds.dtype != np.int64:
        raise StoreError("layers: expected keypoints of float32 and seeds of int64; convert them")
    if not np.isfinite(layers.keypoints).all() or (layers.seeds < CLEAN).any():
        raise StoreError("layers: expected finite keypoints and seeds of -1 or more; not written")


def _check_axes(sample_set: SampleSet) -> dict[str, int]:
    """Check that arrays agree on the length of shared axes, and that none is empty."""
    sizes = {"K": len(sample_set.indices)}
    sizes |= expect_shape("videos", sample_set.videos, "K F H W 3")
    axes = {
        "videos": "K F H W 3",
        "reference": "F H W 3",
        "source": "H W 3",
        "past": "P H W 3",
        "keypoints": "N F D",
        "mae": "N",
        "ssim": "K",
        "diversity": "K",
    }
    if sample_set.masks is not None:
        axes |= dict.fromkeys(MASK_ARRAYS, "K F H W")
    for name, pattern in axes.items():
        filled = " ".join(str(sizes.get(axis, axis)) for axis in pattern.split())
        sizes |= expect_shape(name, getattr(sample_set, name), filled)
    if len(sample_set.indices) != sizes["K"]:
        raise StoreError(
            f"indices: expected one for each of {sizes['K']} kept videos, "
            f"got {len(sample_set.indices)}; give the draw that each video is"
        )
    if not all(sizes.values()):
        empty = ", ".join(f"{axis} = 0" for axis, size in sizes.items() if not size)
        raise StoreError(f"sample set: expected at least one along every axis, got {empty}")
    return sizes


def _check_indices(indices: list[int], samples: int) -> None:
    """Check that kept videos are different futures."""
    if len(set(indices)) < len(indices) or not all(0 <= index < samples for index in indices):
        raise StoreError(
            f"indices: expected different draws from 0 to {samples - 1}, got {indices}; "
            "give the draw that each video is"
        )


def _check_values(sample_set: SampleSet) -> None:
    """Check that numbers are finite, and errors and distances not negative."""
    scores = ("mae", "hold_mae", "diversity", "apd")
    for name in (*scores, "keypoints", "ssim"):
        values = np.asarray(getattr(sample_set, name), np.float64)
        if not np.isfinite(values).all():
            raise StoreError(f"{name}: expected finite numbers, got nan or infinity; not written")
        if name in scores and (values < 0).any():
            raise StoreError(f"{name}: expected 0 or more, got {values.min()}; not written")
    if math.isinf(sample_set.coherence) or sample_set.coherence < 0:
        raise StoreError(
            f"coherence: expected 0 or more, or nan for a reference that stands still, "
            f"got {sample_set.coherence}; not written"
        )


def _check_masks(sample_set: SampleSet) -> None:
    """Check that the set has masks exactly if the settings name their kind."""
    kind = sample_set.mask_kind
    if (kind is None) != (sample_set.masks is None) or kind not in (None, *MASK_KINDS):
        raise StoreError(
            f"masks: expected provenance.settings to say which of {MASK_KINDS} they are, and "
            f"nothing without masks, got {kind!r}; give both or none"
        )


def _check_provenance(provenance: SetProvenance, sizes: dict[str, int]) -> None:
    """Check that the provenance agrees with the arrays."""
    for name, axis in {"past": "P", "future": "F", "samples": "N", "keep": "K"}.items():
        if getattr(provenance, name) != sizes[axis]:
            raise StoreError(
                f"provenance.{name}: expected {sizes[axis]} as in the arrays, "
                f"got {getattr(provenance, name)}; give what the arrays hold"
            )
    if provenance.mode not in MODES:
        raise StoreError(f"provenance.mode: expected one of {MODES}, got {provenance.mode!r}")
    try:
        SetSettings.parse(provenance.settings)
    except StoreError as error:
        raise StoreError(f"provenance.{error}") from None
