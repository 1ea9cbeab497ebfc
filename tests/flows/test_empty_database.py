"""A Prefect server's empty database is kept for the next server, and never trusted blindly."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flows.empty_database import keep_database, lay_database


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "flawcast"


def migrated(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('a')")
    return path


def test_what_one_server_made_the_next_one_finds(cache: Path, tmp_path: Path) -> None:
    lay_database(tmp_path / "first.db")
    assert not (tmp_path / "first.db").exists()
    first = migrated(tmp_path / "first.db")
    with closing(sqlite3.connect(first)) as running:  # a server that goes on
        running.execute("SELECT 1")
        keep_database(first)
    lay_database(tmp_path / "next.db")
    with closing(sqlite3.connect(tmp_path / "next.db")) as database:
        assert database.execute("SELECT * FROM alembic_version").fetchall() == [("a",)]
    (kept,) = cache.iterdir()  # no drafts beside it
    before = kept.read_bytes()
    with closing(sqlite3.connect(first)) as database, database:
        database.execute("CREATE TABLE runs (id TEXT)")
    keep_database(first)
    assert kept.read_bytes() == before  # kept while it was empty, and once


@pytest.mark.parametrize("damage", [b"", b"no database at all", None], ids=["empty", "text", "cut"])
def test_a_damaged_one_is_forgotten(cache: Path, tmp_path: Path, damage: bytes | None) -> None:
    keep_database(migrated(tmp_path / "first.db"))
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:5000] if damage is None else damage)
    lay_database(tmp_path / "next.db")
    assert not (tmp_path / "next.db").exists()
    assert not kept.exists()


def test_a_cache_that_cannot_be_written_does_no_harm(cache: Path, tmp_path: Path) -> None:
    cache.parent.write_text("a file where a folder should be")
    keep_database(migrated(tmp_path / "first.db"))
    lay_database(tmp_path / "next.db")
    assert not (tmp_path / "next.db").exists()
