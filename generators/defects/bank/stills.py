"""Stills of a folder, and which of them are for testing and never enter a bank."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from flawcast.configs.errors import DefectError
from flawcast.configs.identity import hash_files
from flawcast.generators.clips.decoding import STILL
from flawcast.generators.clips.label_table import pair_rows, read_labels
from flawcast.generators.clips.listing import SPLITS, TEST, ClipEntry, Reject
from flawcast.generators.defects.bank.annotations import MASK

HELD_OUT = "of the test split: it never enters a bank"
NOT_PICTURES = ("masks", "ground_truth")


class Stills:
    """Stills of a folder and its sub-folders.

    A still is of the test split if labels.csv or a folder called `test` says so, if it is among
    `test`, or if it has the same bytes as one of these.

    Args:
        pictures: A folder of stills, or one still.
        test: Stills of the test split, or folders of them.

    Raises:
        DefectError: If there are no stills, or one of `test` does not exist.
        ClipError: If labels.csv is malformed.
    """

    def __init__(self, pictures: Path, test: Iterable[Path] = ()) -> None:
        self.folder = pictures if pictures.is_dir() else pictures.parent
        files = list(_stills(pictures))
        if not files:
            raise DefectError(f"pictures: expected stills in {pictures}, found none; name another")
        self.files: Mapping[str, Path] = {
            path.relative_to(self.folder).as_posix(): path for path in files
        }
        self.left_out: list[Reject] = []  # rows of labels.csv without a still
        notes: list[str] = []  # how rows were read: the bank says what became of each still
        table = read_labels(self.folder, notes.append)
        self.rows = pair_rows(
            self.folder, table, dict(self.files), notes.append, self.left_out.append
        )
        self._test_files, self._test_bytes = _test_split(self.folder, files, self.rows, test)

    def is_held_out(self, path: Path, sha256: str) -> bool:
        """Whether a still is of the test split, by its file or by its bytes."""
        return path.resolve() in self._test_files or sha256 in self._test_bytes

    def admitted(self) -> list[str]:
        """Names of the stills that may enter a bank.

        Raises:
            DefectError: If there are none.
        """
        names = [
            name
            for name, path in self.files.items()
            if not self.is_held_out(path, hash_files([path]))
        ]
        if not names:
            raise DefectError(
                f"pictures: expected stills for a bank, all {len(self.files)} of {self.folder} are "
                "of the test split; name another folder"
            )
        return names

    def label_of(self, name: str) -> str:
        """What labels.csv or the folder calls a still's defects; empty if neither does."""
        row, path = self.rows.get(name), self.files[name]
        if row is not None:
            return row.label
        return path.parent.name if path.parent != self.folder else ""


def _stills(pictures: Path) -> Iterator[Path]:
    """Stills of a folder and its sub-folders, without masks."""
    if pictures.is_file():
        yield pictures
        return
    for path in sorted(pictures.rglob("*")):
        folders = path.relative_to(pictures).parts[:-1]
        hidden = any(name in NOT_PICTURES or name.startswith(".") for name in folders)
        if path.suffix.lower() in STILL and not path.stem.endswith(MASK) and not hidden:
            yield path


def _test_split(
    folder: Path, stills: list[Path], rows: Mapping[str, ClipEntry], test: Iterable[Path]
) -> tuple[set[Path], set[str]]:
    """Stills that are for testing: their files and the hashes of their bytes."""
    files = set()
    for path in stills:
        relative = path.relative_to(folder)
        row = rows.get(relative.as_posix())
        split = (
            row.split
            if row is not None and row.split
            else SPLITS.get(relative.parts[0].lower(), "")
        )
        if split == TEST:
            files.add(path)
    for path in test:
        if not path.exists():
            raise DefectError(f"test: expected stills of the test split, {path} does not exist")
        files |= set(_stills(path))
    return {path.resolve() for path in files}, {hash_files([path]) for path in files}
