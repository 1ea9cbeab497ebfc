"""A folder of this machine that keeps pieces of a bucket's objects, up to a number of bytes."""

import hashlib
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

from flawcast.configs.errors import StoreError

SHARE = 16  # a process looks at the whole folder after it wrote this part of the bound
LEAVE = 0.75  # of the bound, after the folder was tidied
BLOCK = 4096  # bytes that a file takes on disk at least
SUFFIX = ".piece"


class LocalCache:
    """Pieces by name, each in a file; those that were used last stay.

    Any number of processes share a folder without locks: a file appears whole, a file that another
    process removed is fetched again, and a reader that has it open reads on. Each process may
    exceed the bound by a sixteenth of it for a moment. What is read from here is compared with its
    checksum like what comes from the bucket.

    Args:
        folder: Where; made if it is absent.
        most_bytes: The bound.

    Raises:
        StoreError: If the folder cannot be written, or the bound is not positive.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        if most_bytes < 1:
            raise StoreError(f"cache: expected at least 1 byte, got {most_bytes}; raise the bound")
        self.folder, self.most_bytes = Path(folder), most_bytes
        self._written = most_bytes  # of an unknown number of earlier processes: look at once
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cache: {folder} cannot be made, {error.strerror}; choose another folder"
            ) from None

    def get(self, name: str) -> bytes | None:
        """A piece, which counts as used now; None if it is not here."""
        path = self._path(name)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return data

    def put(self, name: str, data: bytes) -> None:
        """Keep a piece; nothing happens if the disk is full, or if it is larger than the bound."""
        if len(data) > self.most_bytes // SHARE:
            return
        path = self._path(name)
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(exist_ok=True)
            draft.write_bytes(data)
            draft.replace(path)
        except OSError:
            with suppress(OSError):
                draft.unlink()
            return
        self._written += max(len(data), BLOCK)
        if self._written * SHARE >= self.most_bytes:
            self.tidy()

    def drop(self, name: str) -> None:
        """Remove a piece that turned out to be damaged."""
        with suppress(OSError):
            self._path(name).unlink()

    def tidy(self) -> None:
        """Remove what was not used for longest until the folder is well within its bound."""
        found: list[tuple[float, int, Path]] = []
        for path in self.folder.glob(f"??/*{SUFFIX}*"):
            with suppress(OSError):  # another process removed it
                status = path.stat()
                if path.name.startswith(".") and time.time() - status.st_mtime > 3600:
                    path.unlink()  # a draft of a process that was killed
                elif not path.name.startswith("."):
                    found.append((status.st_mtime, max(status.st_size, BLOCK), path))
        total = sum(size for _, size, _ in found)
        if total > self.most_bytes * (1 - 1 / SHARE):
            for _, size, path in sorted(found):
                if total <= self.most_bytes * LEAVE:
                    break
                with suppress(OSError):
                    path.unlink()
                total -= size
        self._written = 0

    def _path(self, name: str) -> Path:
        """The file of a piece."""
        digest = hashlib.sha256(name.encode()).hexdigest()
        return self.folder / digest[:2] / f"{digest[2:34]}{SUFFIX}"
