"""A store to browse, and clients of its pages."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flawcast.storage import SampleStore
from tests.flows.browse.browsing import visible_store, visit


@pytest.fixture(scope="session")
def unchanged_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every test gets a copy of."""
    return Path(visible_store(tmp_path_factory.mktemp("visible") / "store").url)


@pytest.fixture
def store(unchanged_store: Path, tmp_path: Path) -> SampleStore:
    """A store of its own, so that a test may write to it."""
    return SampleStore.open(shutil.copytree(unchanged_store, tmp_path / "store"), "a")


@pytest.fixture(scope="module")
def reader(
    unchanged_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Somebody who only looks."""
    with visit(SampleStore.open(unchanged_store), tmp_path_factory.mktemp("cache")) as client:
        yield client


@pytest.fixture
def client(store: SampleStore, tmp_path: Path) -> Iterator[httpx.Client]:
    with visit(store, tmp_path / "cache") as client:
        yield client
