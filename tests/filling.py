"""Weights of the reference models, made again: each depends on its own name, shape and the seed.

Both rules are those that the reference numbers in `tests/fixtures` were computed with.
"""

import re
from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray


def backbone_value(key: str, shape: Sequence[int], seed: int) -> NDArray[np.generic]:
    """A tensor of a motion backbone, for the numbers in `fixtures/parity`."""
    noise = _noise(key, shape, seed)
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if key.endswith("running_mean"):
        return 0.1 * noise
    if key.endswith("running_var"):
        return 1 + 0.1 * np.abs(noise)
    if key.endswith("jacobian.bias"):  # near the identity, so that the 2x2 inverse exists
        return np.tile(np.float32([1, 0, 0, 1]), shape[0] // 4) + 0.05 * noise
    if key.endswith("jacobian.weight"):
        return 0.05 * noise / np.float32(np.sqrt(np.prod(shape[1:])))
    return _weight_or_bias(key, noise)


def forecaster_value(
    key: str, shape: Sequence[int], seed: int, last_layer: int | None = None
) -> NDArray[np.generic]:
    """A tensor of a forecaster or of V-JEPA; `last_layer` is the last one of a flow's subnets."""
    noise = _noise(key, shape, seed)
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if key.endswith("running_mean"):
        return np.float32(0.1) * noise
    if key.endswith("running_var"):
        return np.float32(1) + np.float32(0.1) * np.abs(noise)
    if key.endswith(("log_gamma", "beta")):
        return np.float32(0.1) * noise
    if re.fullmatch(rf"coupling\.\d+\.(scale|shift)\.{last_layer}\.weight", key):
        return noise * np.float32(0.25 / np.sqrt(np.prod(shape[1:])))
    return _weight_or_bias(key, noise)


def _noise(key: str, shape: Sequence[int], seed: int) -> NDArray[np.float32]:
    """Standard normal values of this name and seed."""
    rng = np.random.Generator(np.random.PCG64(crc32(key.encode()) + seed))
    return np.asarray(rng.standard_normal(tuple(shape)), np.float32)


def _weight_or_bias(key: str, noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights keep the size of what flows through them; biases are small."""
    if noise.ndim >= 2:
        return noise * np.float32(np.sqrt(2.0 / np.prod(noise.shape[1:])))
    if key.endswith("weight"):  # the gain of a normalisation
        return np.float32(1) + np.float32(0.1) * noise
    return np.float32(0.1) * noise
