"""How a set is committed: arrays, then samples, and last, in one step, the row that names them."""

import time
from contextlib import suppress

from flawcast.storage import layout
from flawcast.storage.arrays import write_arrays
from flawcast.storage.place import Place, UnsettledError
from flawcast.storage.rows import write_rows
from flawcast.storage.sample_set import SampleSet


def commit_set(place: Place, sample_set: SampleSet, attempt: str, generation: int = 0) -> bool:
    """Write arrays, then samples, and publish the row that names them.

    Until the row appears, the files do not exist for readers. If the row cannot be published, they
    are removed.

    Args:
        place: The store's files.
        sample_set: The set, already checked.
        attempt: Name that only this writer uses: the set's id and a nonce.
        generation: More than 0 for a set that is made again after it was forgotten.

    Returns:
        False if another writer's row was there first.

    Raises:
        OSError: If something cannot be written, or writing took so long that `gc` may have
            removed a part of it.
    """
    began = time.time()
    arrays, samples = layout.array_folder(attempt), layout.samples_file(attempt)
    contents = sample_set.arrays()
    samples_data, row_data = write_rows(sample_set, contents, attempt, generation)
    try:
        write_arrays(place, arrays, contents)
        place.put_new(samples, samples_data)
        if time.time() - began > layout.ATTEMPT_SECONDS:
            raise OSError(f"writing took longer than {layout.ATTEMPT_SECONDS} s")
    except BaseException:
        _discard(place, arrays, samples)
        raise
    try:
        written = place.put_new(layout.row_file(sample_set.id, generation), row_data)
    except UnsettledError:
        raise  # the row may be there and name these files
    except OSError:
        _discard(place, arrays, samples)
        raise
    if not written:
        _discard(place, arrays, samples)
    return written


def _discard(place: Place, *names: str) -> None:
    """Remove this writer's files; `gc` removes later what cannot be removed now."""
    for name in names:
        with suppress(OSError):
            place.remove(name)
