"""A store to browse, and clients of its pages."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flawcast.storage import SampleStore
from tests.flows.browse.browsing import visible_store, visit


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    return visible_store(tmp_path / "store")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Somebody who only looks."""
    folder = tmp_path_factory.mktemp("looked-at")
    with visit(visible_store(folder / "store"), folder / "cache") as client:
        yield client


@pytest.fixture
def client(store: SampleStore, tmp_path: Path) -> Iterator[httpx.Client]:
    with visit(store, tmp_path / "cache") as client:
        yield client
