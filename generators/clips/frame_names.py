"""The pictures of a folder that are frames of its clip, in the order of their names."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

_NUMBER = re.compile(r"(\d+)|(\D+)")
_DECIMAL = re.compile(r"(?<![\d.])(\d+)(?:\.(\d+))?(?!\d|\.\d)")
_LOSSLESS = (".png", ".tif", ".tiff", ".bmp", ".webp", ".jpg", ".jpeg")  # the first is the best
MOST_ODD = 0.1  # share of a folder's pictures that may be named unlike the others

Key = list[tuple[float, str]]


def natural_key(path: Path) -> list[tuple[int, str]]:
    """Sort key that puts frame 9 before frame 10."""
    return [(int(part or 0), text) for part, text in _NUMBER.findall(path.name)]


def in_order(files: Sequence[Path]) -> list[Path]:
    """Sort pictures as their names count: numbers as numbers, and decimals too.

    Names such as `1700000000.25.png` and `t0.5s.png` hold one decimal number; names such as
    `cam1.10.png`, whose second numbers count up, hold two numbers.
    """
    return sorted(files, key=_decimal_key if _are_decimals(files) else natural_key)


def frames_among(files: Sequence[Path]) -> list[Path]:
    """Leave out the pictures that are not frames: covers, and copies in another format.

    Args:
        files: The pictures of a folder, without masks.

    Returns:
        The frames, in order.
    """
    formats = defaultdict(set)
    for path in files:
        formats[path.suffix.lower()].add(path.stem)
    for better, other in combinations([kind for kind in _LOSSLESS if kind in formats], 2):
        both = formats[better] & formats[other]
        if len(both) > 1 and both in (formats[better], formats[other]):
            files = [
                path for path in files if path.suffix.lower() != other or path.stem not in both
            ]
            formats[other] -= both
    shapes = Counter(map(_shape, files))
    usual, count = shapes.most_common(1)[0] if shapes else ("", 0)
    if "#" in usual and len(files) - count <= max(1, MOST_ODD * len(files)) and count >= 3:
        files = [path for path in files if "#" in _shape(path)]
    return in_order(files)


def _shape(path: Path) -> str:
    """A name with its numbers blotted out."""
    return re.sub(r"\d+", "#", path.stem)


def _decimal_key(path: Path) -> Key:
    """Sort key that reads the first decimal number of a name as one number."""
    found = _DECIMAL.search(path.stem)
    if found is None:
        return [(float(number), text) for number, text in natural_key(path)]
    before, after = Path(path.stem[: found.start()]), Path(path.stem[found.end() :])
    key: Callable[[Path], Key] = lambda part: [(float(n), t) for n, t in natural_key(part)]  # noqa: E731
    # Whole seconds and fraction apart: a float has no room for both.
    return [*key(before), (float(found[1]), ""), (float(f"0.{found[2] or 0}"), ""), *key(after)]


def _are_decimals(files: Sequence[Path]) -> bool:
    """Whether the numbers after a point are fractions, not counters."""
    if len({_DECIMAL.sub("#", path.stem, count=1) for path in files}) != 1:
        return False
    found = [match for path in files if (match := _DECIMAL.search(path.stem))]
    fractions = [match for match in found if match[2]]
    if len(fractions) < 2:
        return False
    if len({len(match[2]) for match in fractions}) == 1 and len(fractions) == len(files):
        return True  # both ways of reading are the same
    by_whole = defaultdict(list)
    for match in fractions:
        by_whole[match[1]].append(match[2])
    return not all(_count_up(parts) for parts in by_whole.values())


def _count_up(parts: Sequence[str]) -> bool:
    """Whether numbers follow one another without a hole, as frame numbers do."""
    numbers = sorted(int(part) for part in parts)
    plain = all(part == "0" or not part.startswith("0") for part in parts)
    return plain and len(parts) > 1 and numbers == list(range(numbers[0], numbers[-1] + 1))
