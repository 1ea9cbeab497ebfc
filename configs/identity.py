"""Ids and seeds: hashes of what they stand for, so equal inputs give equal results anywhere."""

import hashlib
import json
from pathlib import Path


def content_id(prefix: str, **parts: object) -> str:
    """Name something by what made it: a short, stable hash of JSON-like parts.

    Args:
        prefix: What kind of thing it is ("set", "clip").
        parts: Everything that decides the content; strings, numbers, lists, dicts, None.

    Returns:
        The prefix and 16 hexadecimal digits, for instance "set-0123456789abcdef".

    Example:
        >>> content_id("set", clip="a", window=3) == content_id("set", window=3, clip="a")
        True
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def derive_seed(run_seed: int, *parts: str | int) -> int:
    """Make the seed of one step of a run from the run's seed and the step's name.

    Seeds do not depend on the order of work or the number of workers.

    Args:
        run_seed: The seed that the user gave.
        parts: What the randomness is for, for instance a clip id and "futures".

    Returns:
        A seed in [0, 2**63).

    Example:
        >>> derive_seed(0, "clip-a", 1) == derive_seed(0, "clip-a", 2)
        False
    """
    text = json.dumps([run_seed, *parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def hash_files(paths: list[Path]) -> str:
    """SHA-256 over the bytes of files, in the given order (64 hexadecimal digits)."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
