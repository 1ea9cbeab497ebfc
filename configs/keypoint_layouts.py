"""Layouts of keypoint vectors, so that code that plots them needs no motion model.

>>> layout_of("fomm", 60).positions[:3]
((0, 1), (6, 7), (12, 13))
>>> layout_of("vid2vid", 51).positions  # a head's pose and expression have no position in a frame
()
>>> layout_of("vid2vid", 51).names[4:7]
('ty', 'tz', 'keypoint 1 ex')
"""

from dataclasses import dataclass

from flawcast.configs.errors import ModelError


@dataclass(frozen=True)
class KeypointLayout:
    """The layout of one keypoint vector.

    Args:
        name: "fomm", "layers", "tps" or "vid2vid".
        keypoints: Number of keypoints, K.
        per_keypoint: Values per keypoint, in order (FOMM: x, y, J00, J01, J10, J11).
        shared: Values of the whole frame, which come first (face-vid2vid: the head's pose).
    """

    name: str
    keypoints: int
    per_keypoint: tuple[str, ...]
    shared: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """D, the length of one keypoint vector."""
        return len(self.shared) + self.keypoints * len(self.per_keypoint)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each of the D values; keypoints count from 1."""
        points = range(1, self.keypoints + 1)
        each = (f"keypoint {point} {value}" for point in points for value in self.per_keypoint)
        return (*self.shared, *each)

    @property
    def positions(self) -> tuple[tuple[int, int], ...]:
        """Columns of each keypoint's x and y, in [-1, 1]; empty if keypoints have no position."""
        if self.per_keypoint[:2] != ("x", "y"):
            return ()
        starts = range(len(self.shared), self.length, len(self.per_keypoint))
        return tuple((start, start + 1) for start in starts)


_VALUES = {  # names of the values per keypoint, and of those of the whole frame
    "fomm": (("x", "y", "J00", "J01", "J10", "J11"), ()),
    "layers": (("x", "y", "J00", "J01", "J10", "J11"), ()),
    "tps": (("x", "y"), ()),
    "vid2vid": (("ex", "ey", "ez"), ("yaw", "pitch", "roll", "tx", "ty", "tz")),
}


def keypoint_layout(backbone: str, keypoints: int) -> KeypointLayout:
    """The layout of a backbone with K keypoints."""
    return KeypointLayout(backbone, keypoints, *_VALUES[backbone])


def layout_of(backbone: str, length: int) -> KeypointLayout:
    """The layout of the vectors in a store.

    Args:
        backbone: Name of the backbone, as in a set's row.
        length: Length of a vector, D.

    Raises:
        ModelError: If the backbone is unknown or has no vectors of this length.
    """
    per_keypoint, shared = _VALUES.get(backbone, ((), ()))
    keypoints, rest = divmod(length - len(shared), len(per_keypoint) or 1)
    if not per_keypoint or rest or keypoints < 1:
        names = ", ".join(_VALUES)
        raise ModelError(
            f"keypoints: expected vectors of one of {names}, got {length} values of {backbone!r}; "
            "install the flawcast that made them"
        )
    return keypoint_layout(backbone, keypoints)
