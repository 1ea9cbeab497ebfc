"""Where a store's files are: the few steps that a local folder and an object store both have."""

import hashlib
import os
import shutil
import stat
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa

from configs.errors import StoreError
from storage import files

BLOCK = 1 << 20  # bytes of a file that are hashed at once


class UnsettledError(OSError):
    """A file may be there or not: the last step was under way when it failed."""


class Item(NamedTuple):
    """A file: its name in the store, bytes, and time of its last change (seconds since 1970)."""

    name: str
    size: int
    modified: float


class Place(ABC):
    """A folder that holds a store. Names are relative, with "/" between their parts.

    Absent files raise FileNotFoundError, all else that fails an OSError.
    """

    url: str

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The bytes of a file."""

    @abstractmethod
    def open(self, name: str) -> pa.NativeFile:
        """A file to read parts of."""

    @abstractmethod
    def put_new(self, name: str, data: bytes) -> bool:
        """Let a file appear, whole and durable, in one step, unless the name is taken.

        Returns:
            False if another file has the name.

        Raises:
            UnsettledError: If it failed when the file may have been there already.
            OSError: If it failed before; then the file is not there.
        """

    @abstractmethod
    def replace(self, name: str, data: bytes) -> None:
        """Write a file in one step; readers see the old bytes or the new ones."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""

    @abstractmethod
    def names(self, folder: str, prefix: str = "") -> Iterator[str]:
        """Names of the files and folders right in a folder that begin with a prefix."""

    @abstractmethod
    def walk(self, name: str) -> Iterator[Item]:
        """A file, or all files below a folder; nothing if it is absent."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all in it; what is absent or cannot go is no error."""

    @abstractmethod
    def put_folder(self, folder: str, contents: Mapping[str, bytes]) -> None:
        """Write all files of a new folder, durable when this returns.

        Args:
            folder: A folder that does not exist yet.
            contents: Bytes by name in the folder, with "/" for folders in it.
        """

    @abstractmethod
    def arrays(self, folder: str) -> tuple[Any, str]:
        """Store and path by which Zarr reads a folder."""

    @abstractmethod
    def make_folders(self, *folders: str) -> None:
        """Make folders that are absent, "" for the store's own, where folders have to be made."""


class LocalPlace(Place):
    """A folder of a file system with hard links.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.url = root, str(root)

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        return (self.root / name).read_bytes()

    def open(self, name: str) -> pa.NativeFile:
        """A file to read parts of."""
        return pa.OSFile(str(self.root / name))

    def put_new(self, name: str, data: bytes) -> bool:
        """Write and sync a draft in the same folder, then give it its name by a hard link."""
        final = self.root / name
        draft = final.with_name(f".{final.stem}.{uuid.uuid4().hex}{final.suffix}")
        try:
            files.write_new(draft, data)
        except BaseException:
            files.discard(draft)
            raise
        return files.publish(draft, final)

    def replace(self, name: str, data: bytes) -> None:
        """Write and sync a draft in the same folder, then move it over the file."""
        final = self.root / name
        draft = final.with_name(f".{final.stem}.{uuid.uuid4().hex}{final.suffix}")
        try:
            files.write_new(draft, data)
            draft.replace(final)
        except BaseException:
            files.discard(draft)
            raise
        files.sync(final.parent)

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return (self.root / name).is_file()

    def names(self, folder: str, prefix: str = "") -> Iterator[str]:
        """Names in a folder, in the file system's order."""
        try:
            with os.scandir(self.root / folder) as entries:
                for entry in entries:
                    if entry.name.startswith(prefix):
                        yield entry.name
        except (FileNotFoundError, NotADirectoryError):
            return

    def walk(self, name: str) -> Iterator[Item]:
        """Files below a folder, and folders, of 0 bytes; links are not followed."""
        path = self.root / name
        below = os.walk(path) if path.is_dir() and not path.is_symlink() else ()
        inner = (
            Path(folder, leaf) for folder, *leaves in below for leaf in [*leaves[0], *leaves[1]]
        )
        for found in chain([path], inner):
            try:
                status = found.lstat()
            except FileNotFoundError:  # removed in the meantime
                continue
            size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
            yield Item(found.relative_to(self.root).as_posix(), size, status.st_mtime)

    def remove(self, name: str) -> None:
        """Remove a file or folder; a link is removed, not what it leads to."""
        path = self.root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    def put_folder(self, folder: str, contents: Mapping[str, bytes]) -> None:
        """Write and sync every file, then every folder, and the name in the parent folder."""
        path = self.root / folder
        for name, data in contents.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            files.write_new(path / name, data)
        files.sync_folders(path)
        files.sync(path.parent)

    def arrays(self, folder: str) -> tuple[Any, str]:
        """The folder itself."""
        return self.root / folder, ""

    def make_folders(self, *folders: str) -> None:
        """Make what is absent, and sync the names."""
        absent = [path for path in (self.root / name for name in folders) if not path.is_dir()]
        for path in absent:
            path.mkdir(parents=True, exist_ok=True)
            files.sync(path.parent)


def file_sha256(place: Place, name: str) -> str:
    """SHA-256 of a file's bytes (64 hexadecimal digits).

    Raises:
        OSError: If it is absent or cannot be read.
    """
    digest = hashlib.sha256()
    with place.open(name) as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def open_place(url: str | Path) -> Place:
    """The folder that a path, a file:// URL or an s3:// URL names.

    Raises:
        StoreError: If it is a URL of another kind.
    """
    text = str(url)
    if text.startswith("s3://"):
        from storage.s3 import S3Place  # where it is used: its client takes a moment to load

        return S3Place(text)
    if "://" not in text:
        return LocalPlace(Path(text))
    parts = urlsplit(text)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise StoreError(
            f"store: expected a path, a file:// URL or an s3:// URL, got {text}; choose one"
        )
    return LocalPlace(Path(url2pathname(parts.path)))
