"""A bucket on this machine that answers as slowly as one far away."""

import asyncio
import contextlib
import http.client
import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flawcast.configs.errors import SettingsError

BUCKET = "benchmark"
BLOCK = 1 << 16  # bytes that the proxy passes on at once


@contextmanager
def slow_bucket(delay: float) -> Iterator[tuple[str, str]]:
    """A real S3 server, and a proxy before it that keeps each request back for a moment.

    Args:
        delay: Seconds.

    Yields:
        Addresses of the server and of the proxy.

    Raises:
        SettingsError: If moto is not installed, or the server does not start.
    """
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
        raise SettingsError("bucket: expected moto's S3 server; pip install 'moto[server]'")
    port = free_port()
    server = subprocess.Popen(  # noqa: S603 - our own interpreter and fixed arguments
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _make_bucket(port, server)
        with _proxy(port, delay) as slow:
            yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{slow}"
    finally:
        server.terminate()
        server.wait(30)


@contextmanager
def environment(address: str) -> Iterator[None]:
    """The variables that lead to a server, for this process and those that it starts."""
    values = variables(address)
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def variables(address: str) -> dict[str, str]:
    """The variables that lead to a server."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_REGION": "us-east-1",
    }


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _make_bucket(port: int, server: "subprocess.Popen[bytes]") -> None:
    """Wait for the server and make the bucket."""
    for _ in range(600):
        if server.poll() is not None:
            break
        with contextlib.suppress(ConnectionError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            with contextlib.closing(connection):
                connection.request("PUT", f"/{BUCKET}")
                if connection.getresponse().status == 200:
                    return
        time.sleep(0.1)
    raise SettingsError("bucket: moto's S3 server does not start; see `python -m moto.server`")


@contextmanager
def _proxy(target: int, delay: float) -> Iterator[int]:
    """Pass connections on to a port; what a client sends arrives later. Answers are not delayed."""
    port, started = free_port(), threading.Event()
    ends: list[Callable[[], object]] = []

    async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", target)
        try:
            await asyncio.gather(_pass(reader, outer, delay), _pass(inner, writer, 0))
        finally:
            outer.close()
            writer.close()

    async def serve() -> None:
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        ends.append(lambda: loop.call_soon_threadsafe(over.set))
        server = await asyncio.start_server(passed, "127.0.0.1", port, backlog=256)
        started.set()
        await over.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    started.wait()
    try:
        yield port
    finally:
        ends[0]()
        thread.join()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Pass bytes on until one side closes."""
    with contextlib.suppress(ConnectionError):
        while block := await reader.read(BLOCK):
            if delay:
                await asyncio.sleep(delay)
            writer.write(block)
            await writer.drain()
    with contextlib.suppress(ConnectionError, RuntimeError):
        writer.close()
