"""Serving the pages until Ctrl-C: a socket, a browser if asked for, and a clean end."""

import socket
import webbrowser
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from flawcast.configs.errors import SettingsError
from flawcast.flows.browse.app import make_app
from flawcast.flows.browse.guard import Guard
from flawcast.flows.browse.pictures import Pictures, default_cache, prune
from flawcast.storage.sample_cache import CachedSamples
from flawcast.storage.tags import find_tag

LAST_SECONDS = 2  # for requests under way at Ctrl-C


@dataclass(frozen=True)
class Address:
    """The address of the pages.

    Args:
        host: Address to listen on.
        port: 0 for any that is free.
        open: Show them in the user's browser.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    open: bool = False


class PageServer(uvicorn.Server):
    """Serves pages until it is stopped.

    Args:
        address: The address to listen on.
        make: Makes the application, whose requests the guard checks.
        on_ready: Called with the URL, token included, once it can be opened.
        path: Of the page that the URL leads to, without a slash in front.

    Raises:
        SettingsError: If the address cannot be listened on.
    """

    def __init__(
        self,
        address: Address,
        make: Callable[[Guard], Any],
        on_ready: Callable[[str], None],
        path: str = "",
    ) -> None:
        guard = Guard.for_host(address.host)
        app = make(guard)
        self._socket = _listening(address)
        self._on_ready, self._open = on_ready, address.open
        self.url = _url(address.host, self._socket.getsockname()[1], guard.token, path)
        super().__init__(_settings(app))

    def run_until_told(self) -> None:
        """Answer until `should_exit` is set.

        Raises:
            KeyboardInterrupt: When interrupted, after everything is closed.
        """
        with closing(self._socket):
            self.run([self._socket])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start up, then call `on_ready`."""
        await super().startup(sockets)
        self._on_ready(self.url)
        if self._open:
            webbrowser.open(self.url)


class Server(PageServer):
    """Serves a store's pages until it is stopped.

    Args:
        store: The store.
        address: The address to listen on.
        reviewer: The name under which reviews are stored.
        on_ready: Called with the URL, token included, once it can be opened.
        cache: Folder for small clips; the user's cache folder if not given.
        tag: Begin with the pages of this tag.

    Raises:
        StoreError: If there is no store or a file is damaged.
        SettingsError: If the address cannot be listened on.
    """

    def __init__(
        self,
        store: str,
        address: Address,
        reviewer: str,
        on_ready: Callable[[str], None],
        cache: Path | None = None,
        tag: str | None = None,
    ) -> None:
        held = CachedSamples(store)
        if tag is not None:
            find_tag(held.store.versions, tag, held.store.url)
        folder = default_cache() if cache is None else cache
        prune(folder)

        def make(guard: Guard) -> Any:
            return make_app(held, Pictures(held.store, folder), guard, reviewer)

        super().__init__(address, make, on_ready, f"tag/{tag}/" if tag else "")


def _settings(app: Any) -> uvicorn.Config:
    """The server's settings: log only errors, and send no header with its name."""
    return uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=LAST_SECONDS,
    )


def _listening(address: Address) -> socket.socket:
    """Open a socket on a free address.

    Raises:
        SettingsError: If the address is not free.
    """
    try:
        (family, *_, where), *_ = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return socket.create_server(where[:2], family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"browse: cannot listen on {address.host} port {address.port}: {reason}; "
            "choose another with --port, 0 for any that is free"
        ) from None


def _url(host: str, port: int, token: str | None, path: str) -> str:
    """The URL that a browser opens."""
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)  # noqa: S104
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{port}/{path}" + (f"?token={token}" if token else "")
