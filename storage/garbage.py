"""Garbage: files that no committed row names, left by killed writers or superseded by compaction.

Nothing younger than the grace age is touched, and a writer gives up after half of it. So a removed
file can never get a row later. Names are compared in portions of a few thousand sets, so memory
does not grow with the store.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.compute as pc

from flawcast.configs.errors import StoreError
from flawcast.storage.catalogue import Catalogue
from flawcast.storage.layout import (
    ARRAYS,
    FOLDERS,
    PARTS,
    SAMPLES,
    SETS,
    TAGS,
    array_folder,
    parse_row_file,
    row_file,
    samples_file,
)
from flawcast.storage.manifest import Manifest, manifest_file, manifest_numbers, read_manifest
from flawcast.storage.place import Place
from flawcast.storage.rows import read_commit
from flawcast.storage.schema import ATTEMPT
from flawcast.storage.versions import (
    Versions,
    read_versions,
    tag_files,
    version_numbers,
    versions_file,
)

PORTION = 65_536  # sets whose names are in memory at once; each portion lists the folders anew
DIGITS = "0123456789abcdef"
_PART_FILE = re.compile(r"([0-9a-f]{32})\.(sets|samples)\.parquet")


@dataclass(frozen=True)
class Garbage:
    """A file or folder that can be removed.

    Args:
        name: Path in the store.
        kind: "draft", "arrays", "samples", "row", "part", "manifest", "version" or "tag".
        size: Size in bytes.
    """

    name: str
    kind: str
    size: int


def find_garbage(
    catalogue: Catalogue, older_than_seconds: float, gone: Versions
) -> Iterator[Garbage]:
    """List the garbage in an order in which it can be removed safely, one item after the other.

    Args:
        catalogue: The committed sets.
        older_than_seconds: The grace age; younger files are not listed.
        gone: The forgotten rows that go now, whose age was looked at before; the number of the
            newest document that may have superseded others.

    Raises:
        StoreError: If the manifest or a part is damaged, so that the files it names are unknown.
    """
    place, before = catalogue.place, time.time() - older_than_seconds
    yield from _drafts(place, before)  # first: a writer without its draft cannot publish
    settled = _newest_settled_manifest(place, before)
    for prefix in _set_id_prefixes(place):
        yield from _garbage_of_sets(catalogue, (settled, gone), prefix, before)
    yield from _garbage_of_compactions(place, before)
    yield from _garbage_of_versions(place, before, gone.number)


def _newest_settled_manifest(place: Place, before: float) -> Manifest:
    """The newest manifest past the grace age: no reader needs what it superseded any more."""
    for number in reversed(manifest_numbers(place)):
        if all(item.modified < before for item in place.walk(manifest_file(number))):
            return read_manifest(place, number)
    return Manifest()


def _drafts(place: Place, before: float) -> Iterator[Garbage]:
    """Unfinished files, which begin with a dot."""
    for folder in ("", *FOLDERS):
        for name in place.names(folder, "."):
            yield from _if_older(place, f"{folder}/{name}".lstrip("/"), "draft", before)


def _set_id_prefixes(place: Place) -> list[str]:
    """Prefixes of set ids, fine enough that none covers many more than PORTION sets."""
    count = max(sum(1 for _ in place.names(folder)) for folder in (ARRAYS, SAMPLES, SETS))
    prefixes = ["set-"]
    while count > PORTION * len(prefixes):
        prefixes = [prefix + digit for prefix in prefixes for digit in DIGITS]
    return prefixes


def _garbage_of_sets(
    catalogue: Catalogue, known: tuple[Manifest, Versions], prefix: str, before: float
) -> Iterator[Garbage]:
    """Garbage of the sets whose ids begin with a prefix.

    Arrays and samples are listed first, then the rows, and the manifest last. So a set that is
    committed or compacted in between is not mistaken for garbage.

    Args:
        catalogue: The committed sets.
        known: The newest settled manifest, and the forgotten rows that go now.
        prefix: Beginning of the sets' ids.
        before: Files that changed later stay, unless they belong to rows that go.
    """
    place, (settled_manifest, gone) = catalogue.place, known
    arrays = [name for name in place.names(ARRAYS, prefix) if ATTEMPT.fullmatch(name)]
    samples = [name.removesuffix(".parquet") for name in place.names(SAMPLES, prefix)]
    rows = list(filter(None, map(parse_row_file, place.names(SETS, prefix))))
    there = {name.split(".")[0] for name in (*arrays, *samples)}.union(name for name, _ in rows)
    newest_manifest = catalogue.manifest()
    newest = _named(catalogue, newest_manifest, prefix, there, gone)
    same = settled_manifest.number == newest_manifest.number
    settled = newest if same else _named(catalogue, settled_manifest, prefix, there, gone)
    several = catalogue.versions().by_set  # sets that may have several rows
    loose: dict[str, set[str]] = {}  # array folders by set; "" for a row that cannot be read
    moved = []
    for set_id, generation in rows:
        if gone.hides(set_id, generation):
            moved.append((set_id, generation))
            continue
        if set_id in settled and set_id not in several:
            moved += [(set_id, generation)] if set_id in newest else []
            continue
        attempt = _attempt(place, set_id, generation)
        if attempt and attempt == settled.get(set_id) == newest.get(set_id):
            moved.append((set_id, generation))
        else:
            loose.setdefault(set_id, set()).add(attempt)
    for set_id, generation in moved:
        yield from _if_older(place, row_file(set_id, generation), "row", float("inf"))
    for attempt in samples:
        set_id = attempt.split(".")[0]
        if not ATTEMPT.fullmatch(attempt) or loose.get(set_id, set()) & {attempt, ""}:
            continue
        goes = attempt in gone.attempts
        if goes or set_id in settled or set_id not in newest:
            since = float("inf") if goes or settled.get(set_id) == attempt else before
            yield from _if_older(place, samples_file(attempt), "samples", since)
    for attempt in arrays:
        set_id = attempt.split(".")[0]
        if attempt in gone.attempts:
            yield from _if_older(place, array_folder(attempt), "arrays", float("inf"))
        elif attempt not in (newest.get(set_id), settled.get(set_id)) and not (
            loose.get(set_id, set()) & {attempt, ""}
        ):
            yield from _if_older(place, array_folder(attempt), "arrays", before)


def _named(
    catalogue: Catalogue, manifest: Manifest, prefix: str, there: set[str], gone: Versions
) -> dict[str, str]:
    """Array folders that the rows in parts name, by set id, for sets that have files.

    Args:
        catalogue: The committed sets.
        manifest: The parts.
        prefix: What the sets' ids begin with.
        there: Sets that have files in arrays, samples or sets.
        gone: The forgotten rows that go now.
    """
    named: dict[str, str] = {}
    for part in manifest.parts:
        try:
            catalogue.parts.trust(part)
            for batch in catalogue.parts.batches(part, "sets", ["set_id", "arrays"]):
                rows = batch.filter(pc.starts_with(batch["set_id"], prefix)).to_pydict()
                pairs = zip(rows["set_id"], rows["arrays"], strict=True)
                named.update((set_id, name) for set_id, name in pairs if set_id in there)
        except FileNotFoundError:
            raise StoreError(
                f"{part.sets}: missing; see `flawcast verify`, nothing more was removed"
            ) from None
    return {set_id: name for set_id, name in named.items() if name not in gone.attempts}


def _attempt(place: Place, set_id: str, generation: int) -> str:
    """Array folder that a set's own row names; "" if the row cannot be read: then all are kept."""
    try:
        row = read_commit(place.read(row_file(set_id, generation)), set_id)
        return str(row["arrays"])
    except (StoreError, OSError):
        return ""


def _garbage_of_compactions(place: Place, before: float) -> Iterator[Garbage]:
    """Parts that no manifest names, and manifests that were superseded before the grace age."""
    files = [match for match in map(_PART_FILE.fullmatch, place.names(PARTS)) if match]
    settled = _newest_settled_manifest(place, before).number
    numbers = manifest_numbers(place)
    kept = [read_manifest(place, number) for number in numbers if number >= settled]
    named = {part.name for manifest in kept for part in manifest.parts}
    for number in numbers:
        if number < settled:
            yield from _if_older(place, manifest_file(number), "manifest", before)
    for match in files:
        if match[1] not in named:
            yield from _if_older(place, f"{PARTS}/{match[0]}", "part", before)


def _garbage_of_versions(place: Place, before: float, newest: int) -> Iterator[Garbage]:
    """Documents that were superseded before the grace age, and files of tags that none names."""
    files = list(place.names(TAGS))
    numbers = version_numbers(place)
    settled = 0
    for number in reversed(numbers):
        old = all(item.modified < before for item in place.walk(versions_file(number)))
        if old and number <= newest:
            settled = number
            break
    named = tag_files(read_versions(place, number) for number in numbers if number >= settled)
    for number in numbers:
        if number < settled:
            yield from _if_older(place, versions_file(number), "version", before)
    for name in files:
        if f"{TAGS}/{name}" not in named and not name.startswith("."):
            yield from _if_older(place, f"{TAGS}/{name}", "tag", before)


def _if_older(place: Place, name: str, kind: str, before: float) -> Iterator[Garbage]:
    """A file or folder, if it is still there and all of it is older than a moment."""
    items = list(place.walk(name))
    if items and all(item.modified < before for item in items):
        yield Garbage(name, kind, sum(item.size for item in items))
