"""An empty database of a Prefect server, kept between runs: to make one is most of its start.

A new server goes through all migrations of Prefect's history, and ends at the same tables every
time. They are kept in the user's cache folder, one file for each version of Prefect. Without it, or
where it is damaged, a server makes its own.
"""

import shutil
import sqlite3
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

from platformdirs import user_cache_path


def lay_database(path: Path) -> None:
    """Put the kept database, if there is a sound one, where a server will look for its own."""
    kept = _kept()
    with suppress(OSError):
        shutil.copyfile(kept, path)
        if not _sound(path):
            path.unlink()
            kept.unlink()


def keep_database(path: Path) -> None:
    """Keep the database of a server that has just started, unless one is kept."""
    kept = _kept()
    if kept.is_file():
        return
    draft = kept.with_suffix(f".{uuid4().hex[:8]}.part")
    with suppress(OSError, sqlite3.Error):  # no cache, no harm
        kept.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as ours, closing(sqlite3.connect(draft)) as copy:
            ours.backup(copy)  # whole, whatever the server writes meanwhile
        draft.replace(kept)
    with suppress(OSError):
        draft.unlink(missing_ok=True)


def _kept() -> Path:
    """Where it is kept."""
    return user_cache_path("flawcast") / f"prefect-{version('prefect')}.db"


def _sound(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with a database that migrations have gone through."""
    try:
        with closing(sqlite3.connect(path)) as database:
            (answer,) = database.execute("PRAGMA quick_check").fetchone()
            (count,) = database.execute("SELECT count(*) FROM alembic_version").fetchone()
    except sqlite3.Error:
        return False
    return bool(answer == "ok" and count)
