"""The interface to a store's files, which a local folder and an object store both offer."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

BLOCK = 1 << 20  # bytes that are hashed at once


class UnsettledError(OSError):
    """A file may be there or not: the operation failed during its last step."""


class Item(NamedTuple):
    """A file: its name in the store, bytes, and time of its last change (seconds since 1970)."""

    name: str
    size: int
    modified: float


class Place(ABC):
    """A folder that holds a store. Names are relative, with "/" between their parts.

    Absent files raise FileNotFoundError; all other failures raise OSError.
    """

    url: str

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The bytes of a file."""

    @abstractmethod
    def read_range(self, name: str, start: int, size: int) -> bytes:
        """Some bytes of a file."""

    @abstractmethod
    def read_tail(self, name: str, size: int) -> bytes:
        """The last bytes of a file."""

    @abstractmethod
    def open(self, name: str) -> pa.NativeFile:
        """An open file, to read parts of it."""

    @abstractmethod
    def put_new(self, name: str, data: bytes) -> bool:
        """Write a file that appears in one step, whole and durable, unless the name is taken.

        Returns:
            False if another file has the name.

        Raises:
            UnsettledError: If writing failed when the file may already have appeared.
            OSError: If writing failed earlier, so that the file is not there.
        """

    @abstractmethod
    def replace(self, name: str, data: bytes) -> None:
        """Write a file in one step; readers see the old bytes or the new ones."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""

    @abstractmethod
    def names(self, folder: str, prefix: str = "") -> Iterator[str]:
        """Names of the files and folders directly in a folder that begin with a prefix."""

    @abstractmethod
    def walk(self, name: str) -> Iterator[Item]:
        """A file, or all files below a folder; nothing if it is absent."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file or a whole folder; no error if it is absent or cannot be removed."""

    @abstractmethod
    def put_folder(self, folder: str, contents: Mapping[str, bytes]) -> None:
        """Write all files of a new folder, durable when this returns.

        Args:
            folder: A folder that does not exist yet.
            contents: Bytes by file name in the folder, with "/" for sub-folders.
        """

    @abstractmethod
    def arrays(self, folder: str) -> tuple[Any, str]:
        """Store and path for Zarr to read a folder."""

    @abstractmethod
    def make_folders(self, *folders: str) -> None:
        """Make absent folders, if this place has folders; "" is the store's own."""


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
