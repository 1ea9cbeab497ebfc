"""An empty database of a Prefect server, kept between runs: to make one is most of its start.

A new server goes through all migrations of Prefect's history, and ends at the same tables every
time. They are kept among the user's caches, one file for each version of Prefect. Without it, or
where it is damaged, a server makes its own.
"""

import shutil
import sqlite3
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path

from flawcast.configs.files import whole_file


def lay_database(path: Path) -> None:
    """Put the kept database, if there is a sound one, where a server will look for its own."""
    with suppress(OSError):
        try:
            shutil.copyfile(_kept(), path)
        except FileNotFoundError:
            return
        except OSError:  # half of it, on a full disk
            path.unlink(missing_ok=True)
            return
        if not _sound(path):
            path.unlink()
            forget_database()


def keep_database(path: Path) -> None:
    """Keep the database of a server that has just started, unless one is kept.

    Args:
        path: The server's, which may go on writing. Its folder is ours: SQLite opens no file in
            the user's cache, where locks of a network drive could keep it waiting.
    """
    copy = path.with_suffix(".copy")
    with suppress(OSError, sqlite3.Error):  # no cache, no harm
        kept = _kept()
        if kept.is_file() or not path.is_file():
            return
        with closing(sqlite3.connect(path)) as ours, closing(sqlite3.connect(copy)) as whole:
            ours.backup(whole)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(kept) as draft:
            shutil.copyfile(copy, draft)


def forget_database() -> None:
    """Remove the kept database: a server could not use it."""
    with suppress(OSError):
        _kept().unlink()


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
