"""Paths in a store, and the file that marks a folder as a store.

STORE/store.json                         format and version
STORE/arrays/<set_id>.<nonce>/           Zarr v3 group with the arrays of a set
STORE/samples/<set_id>.<nonce>.parquet   one row per kept sample
STORE/sets/<set_id>.parquet              the set's row; it appears last, in one step
STORE/parts/<nonce>.sets.parquet         rows of many sets, made by compaction
STORE/parts/<nonce>.samples.parquet      and of their samples
STORE/manifests/<number>.json            the current parts; the highest number counts
STORE/ledger/                            rows of runs and of rejected clips
STORE/reviews/                           reviews of samples by people, one file per review
STORE/versions/<number>.json             what was forgotten, and the tags; the highest number counts
STORE/tags/<nonce>.json                  the sets and reviews of a tag
"""

import json
import re

from flawcast.configs.errors import StoreError
from flawcast.storage.place import Place
from flawcast.storage.schema import SET_ID

FORMAT = "flawcast-store"
VERSION = 7  # the newest that this code reads; a store has it from its first forgotten set on
PLAIN_VERSION = 6  # of a store in which nothing was ever forgotten
MARKER = "store.json"
ARRAYS, SAMPLES, SETS = "arrays", "samples", "sets"
PARTS, MANIFESTS, LEDGER, REVIEWS = "parts", "manifests", "ledger", "reviews"
VERSIONS, TAGS = "versions", "tags"
RUNS, REJECTS, BEATS = (f"{LEDGER}/{name}" for name in ("runs", "rejects", "beats"))
FOLDERS = (
    *(ARRAYS, SAMPLES, SETS, PARTS, MANIFESTS, LEDGER, RUNS, REJECTS, BEATS, REVIEWS),
    *(VERSIONS, TAGS),
)
ATTEMPT_SECONDS = 1800  # a writer that takes longer gives up: gc may have begun on its files
_ROW_FILE = re.compile(rf"({SET_ID.pattern})(?:\.([1-9][0-9]{{0,5}}))?\.parquet")


def row_file(set_id: str, generation: int = 0) -> str:
    """The file whose presence means that a set is committed.

    Args:
        set_id: The set.
        generation: 0, or more for a set that was made again after it was forgotten.
    """
    return f"{SETS}/{set_id}.{generation}.parquet" if generation else f"{SETS}/{set_id}.parquet"


def parse_row_file(name: str) -> tuple[str, int] | None:
    """Set and generation of a file in sets/; None if it is no row's file."""
    match = _ROW_FILE.fullmatch(name)
    return (match[1], int(match[2] or 0)) if match else None


def samples_file(attempt: str) -> str:
    """The file with the rows of the kept samples of one writer's attempt."""
    return f"{SAMPLES}/{attempt}.parquet"


def array_folder(attempt: str) -> str:
    """The folder with the arrays of one writer's attempt."""
    return f"{ARRAYS}/{attempt}"


def make(place: Place) -> None:
    """Create missing folders of a store, and bring an older store to this version.

    Any number of writers may do so at once.

    Raises:
        StoreError: If the folder holds something else, or a newer store.
        OSError: If the folder cannot be written.
    """
    place.make_folders("")
    if not place.exists(MARKER):
        others = (name for name in place.names("") if not name.startswith(".store."))
        other = next(others, None)
        if other and not place.exists(MARKER):
            raise StoreError(
                f"store {place.url}: expected a store or an empty folder, found "
                f"{other} and no {MARKER}; choose another folder"
            )
        place.put_new(MARKER, _head(PLAIN_VERSION))
    if check(place) < PLAIN_VERSION:
        _migrate(place)
    place.make_folders(*FOLDERS)


def check(place: Place) -> int:
    """Refuse a folder that is not a store, and a version that this code does not know.

    Returns:
        The store's version.

    Raises:
        StoreError: If the folder is refused.
    """
    try:
        data = place.read(MARKER)
    except FileNotFoundError:
        content = f"files without {MARKER}" if any(place.names("")) else "nothing"
        raise StoreError(
            f"store {place.url}: expected a store, found {content}; "
            "`flawcast generate CLIPS --model MODEL --store STORE` makes one"
        ) from None
    try:
        head = json.loads(data)
        is_ours, version = head["format"] == FORMAT, int(head["version"])
    except (ValueError, KeyError, TypeError):
        is_ours, version = False, 0
    if not is_ours or version < 1:
        raise StoreError(
            f"store {place.url}: {MARKER} is not that of a flawcast store; choose another"
        )
    if version > VERSION:
        raise StoreError(
            f"store {place.url}: expected version {VERSION} or older, got {version}; "
            "install a newer flawcast"
        )
    return version


def mark_forgetting(place: Place) -> None:
    """Bring a store to version 7, which has forgotten sets: older programs would show them."""
    if check(place) < VERSION:
        place.replace(MARKER, _head(VERSION))


def _head(version: int) -> bytes:
    """Content of the marker file."""
    return json.dumps({"format": FORMAT, "version": version}).encode()


def _migrate(place: Place) -> None:
    """Bring a store of an older version to version 6.

    Version 2 added the ledger and compacted parts, which version 1 would not see. Rows of version 1
    are read as they are, and get the checksum that they lack when they are compacted. Version 3
    added masks to sets that are made with them, which version 2 would not verify. Version 4 added
    reviews, which version 3 would neither query nor verify. Version 5 added sets without pixels,
    which version 4 would call damaged. Version 6 added sets with a defect of looks, for which
    version 5 would compute other ids and draw videos without the defect. So only the marker
    changes, in one step: after a crash, the store has one version or the other.
    """
    place.replace(MARKER, _head(PLAIN_VERSION))
    if any(place.names(VERSIONS)):  # another writer went on to version 7 in the meantime
        mark_forgetting(place)
