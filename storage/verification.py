"""Verification: reads every committed set and names what is damaged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import pyarrow as pa

from flawcast.configs.errors import MissingExtraError, SettingsError, StoreError
from flawcast.configs.identity import sample_set_id
from flawcast.configs.set_settings import SetSettings
from flawcast.storage.arrays import open_array, read_array
from flawcast.storage.catalogue import Catalogue
from flawcast.storage.drawn import drawing_problem, is_drawn
from flawcast.storage.layout import SETS, array_folder, parse_row_file
from flawcast.storage.manifest import Part
from flawcast.storage.place import Place, file_sha256
from flawcast.storage.problems import StoreProblem
from flawcast.storage.rows import check_row, check_samples
from flawcast.storage.schema import STORED

PORTION = 1000  # sets whose names are held in memory at once


@dataclass(frozen=True)
class Checks:
    """Options of a verification.

    Args:
        ids: Also recompute ids from the rows' provenance.
        on_set: Called after each set.
    """

    ids: bool
    on_set: Callable[[], None] = lambda: None


def find_problems(catalogue: Catalogue, checks: Checks) -> Iterator[StoreProblem]:
    """Read all committed sets, recompute every checksum, and list what is damaged or missing.

    Memory does not grow with the store.

    Args:
        catalogue: The committed sets.
        checks: Which checks to make, and the callback for progress.
    """
    try:
        catalogue.state()
    except StoreError as error:
        name, _, problem = str(error).partition(": ")
        yield StoreProblem(name, problem)
        return
    yield from _problems_of_single_sets(catalogue, checks)
    checked: set[str] = set()  # sets that move meanwhile are in a part that is checked later
    while parts := [part for part in catalogue.manifest().parts if part.name not in checked]:
        checked.add(parts[0].name)
        yield from _problems_of_part(catalogue, parts[0], checks)


def _problems_of_single_sets(catalogue: Catalogue, checks: Checks) -> Iterator[StoreProblem]:
    """Problems of sets that have files of their own."""
    rows = filter(None, map(parse_row_file, catalogue.place.names(SETS)))
    while some := list(islice(rows, PORTION)):
        try:
            portion = catalogue.loose_among(some)
        except StoreError:  # a part cannot be read; it is reported later
            continue
        for set_id in portion:
            if catalogue.only is None or set_id in catalogue.only:
                yield from _problems_of_single_set(catalogue, set_id, checks.ids)
                checks.on_set()


def _problems_of_single_set(catalogue: Catalogue, set_id: str, ids: bool) -> Iterator[StoreProblem]:
    """Problems of one set that has files of its own."""
    try:
        row = catalogue.row(set_id)
    except (StoreError, OSError) as error:
        yield StoreProblem(set_id, str(error))
        return
    yield from _problems_of_id(row) if ids else ()
    yield from _problems_of_arrays(catalogue.place, row)
    try:
        catalogue.samples(row)
    except StoreError as error:
        yield StoreProblem(set_id, str(error))


def _problems_of_part(catalogue: Catalogue, part: Part, checks: Checks) -> Iterator[StoreProblem]:
    """Problems of a part's files and sets; rows and samples come in the same order."""
    for name, wanted in ((part.sets, part.sets_sha256), (part.samples, part.samples_sha256)):
        try:
            sound = file_sha256(catalogue.place, name) == wanted
        except OSError as error:
            if part not in catalogue.manifest().parts:  # merged into another in the meantime
                return
            yield StoreProblem(name, f"cannot be read, {error.strerror or error}")
            return
        if not sound:
            yield StoreProblem(name, "the bytes are not those that were written")
    forgotten = catalogue.versions().attempts
    groups = groupby(_rows(catalogue, part, "samples"), key=itemgetter("set_id"))
    try:
        for row in _rows(catalogue, part, "sets"):
            _, samples = next(groups, (None, iter(())))
            if row["arrays"] in forgotten:
                continue
            if catalogue.only is None or row["set_id"] in catalogue.only:
                yield from _problems_of_part_row(catalogue.place, row, list(samples), checks.ids)
                checks.on_set()
    except StoreError as error:
        yield StoreProblem(part.sets, str(error))


def _problems_of_part_row(
    place: Place, row: dict[str, Any], samples: list[dict[str, Any]], ids: bool
) -> Iterator[StoreProblem]:
    """Problems of one set whose rows are in a part."""
    set_id = row["set_id"]
    try:
        checked = check_row(row, set_id)
    except StoreError as error:
        yield StoreProblem(set_id, str(error))
        return
    yield from _problems_of_id(checked) if ids else ()
    yield from _problems_of_arrays(place, checked)
    try:
        check_samples(samples, checked["checksums"]["sample_rows"])
    except StoreError as error:
        yield StoreProblem(set_id, str(error))


def _problems_of_id(row: dict[str, Any]) -> Iterator[StoreProblem]:
    """A problem if a set's id is not the hash of its row's provenance."""
    try:
        about = SetSettings.parse(row["settings"])
    except StoreError as error:
        yield StoreProblem(row["set_id"], str(error))
        return
    if about.hashed is None:
        recomputed = "another, its settings are not those of `flawcast generate`"
    else:
        recomputed = sample_set_id(
            row["clip_id"],
            (row["window_start"], row["past"], row["future"]),
            (row["source_clip_id"], row["source_frame"]),
            row["mode"],
            row["weights_id"],
            about.hashed,
            about.masks.id if about.masks else None,
            about.defect.order.id if about.defect else None,
        )
    if recomputed != row["set_id"]:
        yield StoreProblem(row["set_id"], f"id: by its provenance it would be {recomputed}")


def _problems_of_arrays(place: Place, row: dict[str, Any]) -> Iterator[StoreProblem]:
    """Problems of a set's arrays."""
    problems = []
    for name in [name for name in STORED if name in row["checksums"]]:
        try:
            array = open_array(place, array_folder(row["arrays"]), name, row)
            read_array(array, name, ..., row["checksums"][name])
        except StoreError as error:
            problems.append(str(error))
    if is_drawn(row, "videos") and not problems:
        problems += filter(None, [_problem_of_drawing(place, row)])
    yield from (StoreProblem(row["set_id"], problem) for problem in problems)


def _problem_of_drawing(place: Place, row: dict[str, Any]) -> str:
    """Why the videos cannot be drawn as they were; empty if they can, or if nothing here draws."""
    try:
        return drawing_problem(place, row)
    except MissingExtraError:
        return ""
    except (StoreError, SettingsError) as error:
        return str(error)


def _rows(catalogue: Catalogue, part: Part, kind: str) -> Iterator[dict[str, Any]]:
    """Rows of a part in its order; only a portion are Python objects at once."""
    for table in catalogue.parts.batches(part, kind):
        for batch in table.to_batches(max_chunksize=PORTION):
            yield from pa.Table.from_batches([batch]).to_pylist()
