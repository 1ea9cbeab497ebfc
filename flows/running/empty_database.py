"""A cached empty database for Prefect servers; making one takes most of a server's start.

A new server goes through all migrations of Prefect's history, and ends at the same tables every
time. They are cached in the user's cache folder, one file per version of Prefect. If the file is
missing or damaged, the server makes its own.
"""

import shutil
import sqlite3
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path

from flawcast.configs.files import whole_file


def lay_database(path: Path) -> None:
    """Copy the cached database, if it is sound, to where a server will look for its own."""
    with suppress(OSError):
        try:
            shutil.copyfile(_kept(), path)
        except FileNotFoundError:
            return
        except OSError:  # a partial copy, on a full disk
            path.unlink(missing_ok=True)
            return
        if not _sound(path):
            path.unlink()
            forget_database()


def keep_database(path: Path) -> None:
    """Cache the database of a server that has just started, unless one is cached.

    Args:
        path: The server's database; the server may still write to it. It is copied inside its own
            folder first: on a network drive, locks in the user's cache could block SQLite.
    """
    copy = path.with_suffix(".copy")
    with suppress(OSError, sqlite3.Error):  # the cache is optional
        kept = _kept()
        if kept.is_file() or not path.is_file():
            return
        with closing(sqlite3.connect(path)) as ours, closing(sqlite3.connect(copy)) as whole:
            ours.backup(whole)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(kept) as draft:
            shutil.copyfile(copy, draft)


def forget_database() -> None:
    """Remove the cached database, which a server could not use."""
    with suppress(OSError):
        _kept().unlink()


def _kept() -> Path:
    """Path of the cached database."""
    return user_cache_path("flawcast") / f"prefect-{version('prefect')}.db"


def _sound(path: Path) -> bool:
    """Whether a database is migrated and SQLite finds no damage in it."""
    try:
        with closing(sqlite3.connect(path)) as database:
            (answer,) = database.execute("PRAGMA quick_check").fetchone()
            (count,) = database.execute("SELECT count(*) FROM alembic_version").fetchone()
    except sqlite3.Error:
        return False
    return bool(answer == "ok" and count)
