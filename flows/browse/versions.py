"""The store as it is now and at its tags: a tag's samples are read once, when somebody asks."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from flawcast.storage.sample_cache import CachedSamples
from flawcast.storage.tags import find_tag

MOST_TAGS = 8  # whose samples are in memory


class TaggedSamples:
    """The samples of a store's tags.

    Args:
        now: The store as it is.
    """

    def __init__(self, now: CachedSamples) -> None:
        self.now = now
        self._read = lru_cache(MOST_TAGS)(self._held)

    def names(self) -> list[str]:
        """Names of all tags, the newest first."""
        tags = sorted(self.now.store.versions.tags, key=lambda tag: -tag.at)
        return [tag.name for tag in tags]

    def nonce(self, name: str) -> str:
        """What tells a tag from a later one of the same name.

        Raises:
            StoreError: If there is no such tag.
        """
        return find_tag(self.now.store.versions, name, self.now.store.url).nonce

    def held(self, name: str) -> CachedSamples:
        """The samples of a tag.

        Raises:
            StoreError: If there is no such tag, or its file is damaged.
        """
        return self._read(name, self.nonce(name))

    def _held(self, name: str, nonce: str) -> CachedSamples:
        return CachedSamples(self.now.store.url, name)


class TagPages:
    """The pages of each tag, below /tag/NAME/, as an application of its own.

    Args:
        tags: The tags.
        make: Makes the application for the samples of a tag.
    """

    def __init__(self, tags: TaggedSamples, make: Callable[[CachedSamples], FastAPI]) -> None:
        self._tags = tags
        self._made = lru_cache(MOST_TAGS)(lambda name, nonce: make(tags.held(name)))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request about a tag; an unknown one is an error of the outer application."""
        app = await run_in_threadpool(self._app, scope["path_params"]["name"])
        await app(scope, receive, send)

    def _app(self, name: str) -> FastAPI:
        return self._made(name, self._tags.nonce(name))
