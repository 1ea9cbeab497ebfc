"""Files that survive a power cut, and the single step that makes a file appear whole."""

import os
import shutil
from pathlib import Path

from flawcast.storage.place import UnsettledError


def write_new(path: Path, data: bytes) -> None:
    """Write a new file and sync it to the disk.

    Raises:
        OSError: If it exists or cannot be written.
    """
    with path.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def sync(path: Path) -> None:
    """Sync one file's bytes, or one folder's names, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folders(folder: Path) -> None:
    """Sync the names in a folder and in all folders below it to the disk."""
    for path, _, _ in os.walk(folder, topdown=False):
        sync(Path(path))


def publish(draft: Path, final: Path) -> bool:
    """Give a finished file its final name, unless another file has it.

    A hard link appears in one step and, unlike a rename, never replaces anything. The draft, which
    is in the same folder, is removed.

    Returns:
        False if the name was taken.

    Raises:
        UnsettledError: If the file has its name, but the name may not be on disk yet.
        OSError: If the file system has no hard links, or cannot be written.
    """
    try:
        os.link(draft, final)
    except FileExistsError:
        if not draft.samefile(final):  # the same file: NFS repeated our link, its answer was lost
            draft.unlink(missing_ok=True)
            return False
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    try:
        draft.unlink(missing_ok=True)
        sync(final.parent)
    except OSError as error:
        raise UnsettledError(error.errno, error.strerror, str(final)) from error
    return True


def discard(*paths: Path) -> None:
    """Remove files and folders that nothing names; what cannot be removed stays."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
