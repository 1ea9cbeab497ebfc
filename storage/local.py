"""A store's files in a folder of a file system with hard links."""

import os
import shutil
import stat
import uuid
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from flawcast.storage import files
from flawcast.storage.place import Item, Place


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

    def read_range(self, name: str, start: int, size: int) -> bytes:
        """Some bytes of a file."""
        with (self.root / name).open("rb") as stream:
            stream.seek(start)
            return stream.read(size)

    def read_tail(self, name: str, size: int) -> bytes:
        """The last bytes of a file."""
        with (self.root / name).open("rb") as stream:
            stream.seek(-size, os.SEEK_END)
            return stream.read()

    def open(self, name: str) -> pa.NativeFile:
        """An open file, to read parts of it."""
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
        """Files and folders (0 bytes) below a folder; links are not followed."""
        path = self.root / name
        below = os.walk(path) if path.is_dir() and not path.is_symlink() else ()
        inner = (
            Path(folder, leaf) for folder, *leaves in below for leaf in [*leaves[0], *leaves[1]]
        )
        for item in chain([path], inner):
            try:
                status = item.lstat()
            except FileNotFoundError:  # removed in the meantime
                continue
            size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
            yield Item(item.relative_to(self.root).as_posix(), size, status.st_mtime)

    def remove(self, name: str) -> None:
        """Remove a file or folder; a link is removed, not what it leads to."""
        path = self.root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    def put_folder(self, folder: str, contents: Mapping[str, bytes]) -> None:
        """Write and sync every file, then every folder, then the name in the parent folder."""
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
        """Make absent folders, and sync their names."""
        absent = [path for path in (self.root / name for name in folders) if not path.is_dir()]
        for path in absent:
            path.mkdir(parents=True, exist_ok=True)
            files.sync(path.parent)
