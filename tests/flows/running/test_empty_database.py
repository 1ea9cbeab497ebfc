"""A Prefect server's empty database is kept for the next server, and never trusted blindly."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flawcast.configs.errors import FlawcastError
from flawcast.flows.running.empty_database import keep_database, lay_database
from flawcast.flows.running.prefect_server import prefect_api


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


def test_a_database_elsewhere_is_not_kept(cache: Path, tmp_path: Path) -> None:
    keep_database(tmp_path / "absent.db")
    assert not (tmp_path / "absent.db").exists()
    assert not cache.exists()


def test_a_cache_that_may_not_be_looked_at_does_no_harm(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = migrated(tmp_path / "first.db")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("another user's")

    monkeypatch.setattr(Path, "is_file", refuse)  # root may look everywhere
    monkeypatch.setattr("shutil.copyfile", refuse)
    keep_database(first)
    lay_database(tmp_path / "next.db")
    assert not cache.exists()


def test_half_a_copy_is_not_left_for_the_server(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_database(migrated(tmp_path / "first.db"))

    def cut_short(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:5000])
        raise OSError("no space left")

    monkeypatch.setattr("shutil.copyfile", cut_short)
    lay_database(tmp_path / "next.db")
    assert not (tmp_path / "next.db").exists()
    assert len(list(cache.iterdir())) == 1


def test_one_that_a_server_refuses_is_forgotten(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    keep_database(migrated(tmp_path / "first.db"))  # of a revision that Prefect does not know
    with pytest.raises(FlawcastError, match="Can't locate revision"), prefect_api(tmp_path):
        pass
    assert not list(cache.iterdir())


def test_a_cache_that_cannot_be_written_does_no_harm(cache: Path, tmp_path: Path) -> None:
    cache.parent.write_text("a file where a folder should be")
    keep_database(migrated(tmp_path / "first.db"))
    lay_database(tmp_path / "next.db")
    assert not (tmp_path / "next.db").exists()
