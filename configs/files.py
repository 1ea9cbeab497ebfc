"""Files and folders that are there whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a draft beside `path` to write; it takes the place of `path` when the block ends.

    If the block fails, the draft is removed and `path` stays what it was. Two writers of the same
    file do not disturb each other: the last one wins.

    Args:
        path: The file; its folder must exist. The draft has its suffix.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "answer.txt"
        >>> with whole_file(path) as draft:
        ...     _ = draft.write_text("42")
        >>> path.read_text()
        '42'
    """
    draft = _beside(path)
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path` to fill; it becomes `path` when the block ends.

    Args:
        path: The folder; it does not exist yet, or is empty.
    """
    draft = _beside(path)
    draft.mkdir(parents=True)
    try:
        yield draft
        draft.replace(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _beside(path: Path) -> Path:
    """A hidden name that nobody else has, on the same disk."""
    return path.with_name(f".{uuid4().hex}{path.suffix}")
