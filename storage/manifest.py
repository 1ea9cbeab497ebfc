"""Manifests: numbered lists of the compacted parts; the one with the highest number counts.

A manifest is published only if its number is free, so of two compactions at once one wins. Each
manifest names everything that the one before it named, so nobody needs an old one.
"""

import json
import re
from dataclasses import asdict, dataclass

from flawcast.configs.errors import StoreError
from flawcast.storage.layout import MANIFESTS, PARTS
from flawcast.storage.place import Place

FORMAT = "flawcast-manifest"
_NAME = re.compile(r"([0-9]{10})\.json")
_PART = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Part:
    """Two Parquet files with the rows of many sets.

    Args:
        name: Nonce that both file names begin with.
        count: Number of sets.
        sets_sha256: SHA-256 of the file with the sets' rows.
        samples_sha256: SHA-256 of the file with the samples' rows.
    """

    name: str
    count: int
    sets_sha256: str
    samples_sha256: str

    @property
    def sets(self) -> str:
        """The file with the sets' rows, columns as in COMMITS."""
        return f"{PARTS}/{self.name}.sets.parquet"

    @property
    def samples(self) -> str:
        """The file with their samples' rows."""
        return f"{PARTS}/{self.name}.samples.parquet"


@dataclass(frozen=True)
class Manifest:
    """The parts as of one compaction; a store without compactions has number 0."""

    number: int = 0
    parts: tuple[Part, ...] = ()

    @property
    def name(self) -> str:
        """Its file."""
        return manifest_file(self.number)


def manifest_file(number: int) -> str:
    """The file of a manifest."""
    return f"{MANIFESTS}/{number:010d}.json"


def manifest_numbers(place: Place) -> list[int]:
    """Numbers of the manifests that are there, ascending."""
    matches = (_NAME.fullmatch(name) for name in place.names(MANIFESTS))
    return sorted(int(match[1]) for match in matches if match)


def read_manifest(place: Place, number: int | None = None) -> Manifest:
    """Read a manifest, the newest if none is named.

    Raises:
        StoreError: If it is damaged.
    """
    while True:
        newest = max(manifest_numbers(place), default=0) if number is None else number
        if not newest:
            return Manifest()
        try:
            return _decode(place.read(manifest_file(newest)), newest)
        except FileNotFoundError:  # superseded and removed since it was listed
            if number is not None:
                raise


def publish_manifest(place: Place, manifest: Manifest) -> bool:
    """Publish a manifest; False if its number is taken."""
    parts = [asdict(part) for part in manifest.parts]
    values = {"format": FORMAT, "number": manifest.number, "parts": parts}
    return place.put_new(manifest.name, json.dumps(values, indent=1).encode())


def _decode(data: bytes, number: int) -> Manifest:
    """A manifest from its bytes, with every name in it checked."""
    try:
        values = json.loads(data)
        parts = tuple(Part(**part) for part in values["parts"])
        sound = values["format"] == FORMAT and values["number"] == number
        for part in parts:
            sound &= bool(_PART.fullmatch(part.name)) and part.count >= 0
            sound &= all(_SHA256.fullmatch(s) for s in (part.sets_sha256, part.samples_sha256))
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise StoreError(f"{manifest_file(number)}: damaged; restore it from a copy of the store")
    return Manifest(number, parts)
