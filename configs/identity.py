"""Ids and seeds: hashes of inputs, so equal inputs give equal results on every machine."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def content_id(prefix: str, **parts: object) -> str:
    """Id of a result from the inputs that decide it: a short, stable hash of JSON-like parts.

    Args:
        prefix: Kind of the result ("set", "clip").
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
    """Derive the seed of one step of a run from the run's seed and the step's name.

    Seeds do not depend on the order of work or the number of workers.

    Args:
        run_seed: The seed that the user gave.
        parts: Name of the step, for instance a clip id and "futures".

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


def sample_set_id(
    clip: str,
    window: Sequence[int],
    source: Sequence[str | int],
    mode: str,
    weights: str,
    settings: Mapping[str, Any],
    masks: str | None = None,
    defect: str | None = None,
) -> str:
    """Id of a sample set from everything that decides its content.

    Args:
        clip: Id of the clip whose future is sampled.
        window: First frame, past frames, future frames.
        source: Id of the clip whose frame is animated, and the frame.
        mode: "reconstruction" or "transfer".
        weights: Id of the model's weights.
        settings: The settings of generation as plain values.
        masks: Id of the masks of its videos, as in its plan; None for no masks.
        defect: Id of the order for its defect or placebo; None for none.
    """
    more = {} if masks is None else {"masks": masks}  # keeps the ids of sets without masks
    more |= {} if defect is None else {"defect": defect}
    return content_id(
        "set",
        clip=clip,
        window=list(window),
        source=list(source),
        mode=mode,
        weights=weights,
        settings=settings,
        **more,
    )
