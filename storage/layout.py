"""Where things are in a store, and the file that says that it is a store.

STORE/store.json                         format and version
STORE/arrays/<set_id>.<nonce>/           Zarr v3 group with the arrays of a set
STORE/samples/<set_id>.<nonce>.parquet   one row per kept sample
STORE/sets/<set_id>.parquet              the set's row; it appears last, in one step
STORE/parts/<nonce>.sets.parquet         rows of many sets, made by compaction
STORE/parts/<nonce>.samples.parquet      and of their samples
STORE/manifests/<number>.json            the parts that count; the highest number is the one
STORE/ledger/                            rows of runs and of rejected clips
STORE/reviews/                           what people said of samples, a file for each time
"""

import json

from flawcast.configs.errors import StoreError
from flawcast.storage.place import Place

FORMAT, VERSION = "flawcast-store", 4
MARKER = "store.json"
ARRAYS, SAMPLES, SETS = "arrays", "samples", "sets"
PARTS, MANIFESTS, LEDGER, REVIEWS = "parts", "manifests", "ledger", "reviews"
RUNS, REJECTS, BEATS = (f"{LEDGER}/{name}" for name in ("runs", "rejects", "beats"))
FOLDERS = (ARRAYS, SAMPLES, SETS, PARTS, MANIFESTS, LEDGER, RUNS, REJECTS, BEATS, REVIEWS)
ATTEMPT_SECONDS = 1800  # after so long a writer gives up what it wrote: gc may have begun on it


def row_file(set_id: str) -> str:
    """The file whose presence says that a set is committed."""
    return f"{SETS}/{set_id}.parquet"


def samples_file(attempt: str) -> str:
    """The rows of the kept samples that one writer wrote."""
    return f"{SAMPLES}/{attempt}.parquet"


def array_folder(attempt: str) -> str:
    """The arrays that one writer wrote."""
    return f"{ARRAYS}/{attempt}"


def make(place: Place) -> None:
    """Make what is missing of an empty store, and bring an older one to this version.

    Any number of writers may do so at once.

    Raises:
        StoreError: If the folder holds something else, or a newer store.
        OSError: If it cannot be written.
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
        place.put_new(MARKER, _head())
    if check(place) < VERSION:
        _migrate(place)
    place.make_folders(*FOLDERS)


def check(place: Place) -> int:
    """Refuse what is no store, and a version that this code does not know.

    Returns:
        The store's version.

    Raises:
        StoreError: If it is refused.
    """
    try:
        data = place.read(MARKER)
    except FileNotFoundError:
        found = f"files without {MARKER}" if any(place.names("")) else "nothing"
        raise StoreError(
            f"store {place.url}: expected a store, found {found}; "
            "`flawcast generate CLIPS --model MODEL --store STORE` makes one"
        ) from None
    try:
        head = json.loads(data)
        known, version = head["format"] == FORMAT, int(head["version"])
    except (ValueError, KeyError, TypeError):
        known, version = False, 0
    if not known or version < 1:
        raise StoreError(
            f"store {place.url}: {MARKER} is not that of a flawcast store; choose another"
        )
    if version > VERSION:
        raise StoreError(
            f"store {place.url}: expected version {VERSION} or older, got {version}; "
            "install a newer flawcast"
        )
    return version


def _head() -> bytes:
    """What the marker holds."""
    return json.dumps({"format": FORMAT, "version": VERSION}).encode()


def _migrate(place: Place) -> None:
    """Bring a store of version 1, 2 or 3 to version 4.

    Version 2 added compacted parts, which version 1 would not see, and the ledger; rows of version
    1 are read as they are, and get the checksum that they lack when they are compacted. Version 3
    added masks to sets that are made with them, which version 2 would not verify. Version 4
    added reviews, which version 3 would neither ask nor verify. So only the marker changes, in one
    step: a crash leaves a store of the one version or the other.
    """
    place.replace(MARKER, _head())
