"""Places for stores in tests: a real S3 server on loopback, and a disk that can be filled."""

import http.client
import importlib.util
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.paths import ROOT

BUCKET = "flawcast"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Address of a server of its own process, with one bucket."""
    for name in ("moto", "flask"):
        if importlib.util.find_spec(name) is None:
            pytest.skip("needs moto[server], which `pip install -e '.[dev]'` brings")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.s3_server", "-H", "127.0.0.1", "-p", str(port)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        make_bucket(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def make_bucket(port: int, server: "subprocess.Popen[bytes]") -> None:
    """Wait for the server and make the bucket."""
    for _ in range(300):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("PUT", f"/{BUCKET}")
            assert connection.getresponse().status == 200
            return
        except ConnectionError:
            assert server.poll() is None, "the S3 server did not start"
            time.sleep(0.1)
    raise AssertionError("the S3 server does not answer")


@pytest.fixture
def bucket_url(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty place in the bucket; the environment leads to the server."""
    values = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "AWS_REGION": "us-east-1",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}/store"


@pytest.fixture(params=["disk", "bucket"])
def store_url(request: pytest.FixtureRequest) -> str:
    """URL of a store that does not exist yet, on disk and in a bucket."""
    if request.param == "disk":
        return str(request.getfixturevalue("tmp_path") / "store")
    return str(request.getfixturevalue("bucket_url"))


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, or of as many as the test's parameter says."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder, getattr(request, "param", 1)):
        yield folder


@contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[None]:
    """Make a folder a file system of its own."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a tmpfs; the test with a file size limit runs")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path, spare: int = 0) -> None:
    """Take all the space that is left but for some bytes."""
    with path.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(b"x" * 4096)
    os.truncate(path, max(0, path.stat().st_size - spare))
