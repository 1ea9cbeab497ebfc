"""Where things are in a store's folder, and the file that says that it is a store.

STORE/store.json                         format and version
STORE/arrays/<set_id>.<nonce>/           Zarr v3 group with the arrays of a set
STORE/samples/<set_id>.<nonce>.parquet   one row per kept sample
STORE/sets/<set_id>.parquet              the set's row; it appears last, in one step
"""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from configs.errors import StoreError
from storage import files

FORMAT, VERSION = "flawcast-store", 1


@dataclass(frozen=True)
class Layout:
    """The paths of a store."""

    root: Path

    @property
    def marker(self) -> Path:
        """The file that says that the folder is a store, and of which version."""
        return self.root / "store.json"

    @property
    def arrays(self) -> Path:
        """Folder of the sets' array folders."""
        return self.root / "arrays"

    @property
    def samples(self) -> Path:
        """Folder of the samples' rows."""
        return self.root / "samples"

    @property
    def sets(self) -> Path:
        """Folder of the sets' rows."""
        return self.root / "sets"

    def row(self, set_id: str) -> Path:
        """The file whose presence says that a set is committed."""
        return self.sets / f"{set_id}.parquet"

    def make(self) -> None:
        """Make what is missing of an empty store; any number of writers may do so at once.

        Raises:
            StoreError: If the folder holds something else.
        """
        if not self.marker.exists():
            self.root.mkdir(parents=True, exist_ok=True)
            files.sync(self.root.parent)
            others = [path for path in self.root.iterdir() if not path.name.startswith(".store-")]
            if others and not self.marker.exists():
                raise StoreError(
                    f"store {self.root}: expected a store or an empty folder, found "
                    f"{others[0].name} and no store.json; choose another folder"
                )
            draft = self.root / f".store-{uuid.uuid4().hex}"
            files.write_new(draft, json.dumps({"format": FORMAT, "version": VERSION}).encode())
            files.publish(draft, self.marker)
        for folder in (self.arrays, self.samples, self.sets):
            folder.mkdir(exist_ok=True)
        files.sync(self.root)

    def check(self) -> None:
        """Refuse what is no store, and a version that this code does not know.

        Raises:
            StoreError: If it is so.
        """
        if not self.marker.is_file():
            found = "a folder without store.json" if self.root.exists() else "nothing"
            raise StoreError(
                f"store {self.root}: expected a store, found {found}; "
                "`flawcast generate CLIPS --model MODEL --store STORE` makes one"
            )
        try:
            head = json.loads(self.marker.read_bytes())
            known, version = head["format"] == FORMAT, int(head["version"])
        except (ValueError, KeyError, TypeError):
            known, version = False, 0
        if not known or version < 1:
            raise StoreError(
                f"store {self.root}: store.json is not that of a flawcast store; choose another"
            )
        if version > VERSION:
            raise StoreError(
                f"store {self.root}: expected version {VERSION} or older, got {version}; "
                "install a newer flawcast"
            )


def local_path(url: str | Path) -> Path:
    """The folder that a path or file:// URL names.

    Raises:
        StoreError: If it is a URL of another kind.
    """
    text = str(url)
    if "://" not in text:
        return Path(text)
    parts = urlsplit(text)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise StoreError(
            f"store: expected a path or file:// URL, got {text}; only local folders so far"
        )
    return Path(url2pathname(parts.path))
