"""One check for the axes of an array, with an error that shows both patterns."""

from typing import Protocol

from flawcast.configs.errors import ShapeError


class HasShape(Protocol):
    """Anything with a shape: a NumPy array, a torch tensor, a Zarr array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each axis."""


def expect_shape(name: str, array: HasShape, axes: str) -> dict[str, int]:
    """Check an array against a pattern of axes and return the size of each named axis.

    A number in the pattern is an exact size, a letter any size; a letter used twice must agree.

    Args:
        name: Name of the array in the caller's signature.
        array: Anything with a `shape`.
        axes: Axes in order, separated by spaces, for instance "N F H W 3".

    Returns:
        Size by letter.

    Raises:
        ShapeError: If the number of axes, an exact size or a repeated letter does not agree.

    Example:
        >>> import numpy as np
        >>> expect_shape("video", np.zeros((4, 8, 8, 3)), "T H W 3")
        {'T': 4, 'H': 8, 'W': 8}
    """
    pattern, shape = axes.split(), tuple(array.shape)
    sizes: dict[str, int] = {}
    fits = len(pattern) == len(shape)
    for axis, size in zip(pattern, shape, strict=False):
        fits = fits and size == (int(axis) if axis.isdigit() else sizes.setdefault(axis, size))
    if not fits:
        raise ShapeError(f"{name}: expected axes ({', '.join(pattern)}), got shape {shape}")
    return {axis: size for axis, size in sizes.items() if not axis.isdigit()}
