"""A run on a real two-node Ray cluster, one node of which is killed in the middle."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from flawcast.flows.running.services import run_folder
from flawcast.storage import SampleStore

FLAWCAST = Path(sys.executable).with_name("flawcast")
RAY = (sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats")
HOST = "127.0.0.2"  # for 127.0.0.1 Ray takes the machine's outer address
NODE = ("--num-cpus", "1", "--object-store-memory", str(80 * 2**20), "--node-ip-address", HOST)


@contextmanager
def node(*options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Ray node of its own processes, as `ray start` makes it."""
    process = subprocess.Popen([*RAY, *NODE, *options], stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL a node with all that it started."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        for child in [*parent.children(recursive=True), parent]:
            with suppress(psutil.NoSuchProcess):
                child.kill()
    process.wait()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Address of a head, and a second node; one core each."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # the same for nodes and drivers
    with socket.socket() as free:
        free.bind((HOST, 0))
        address = f"{HOST}:{free.getsockname()[1]}"
    with (
        run_folder() as folder,
        node(
            "--head",
            "--port",
            address.split(":")[1],
            "--include-dashboard=false",
            "--temp-dir",
            str(folder / "ray"),
        ),
    ):
        wait_for_nodes(address, 1)
        with node("--address", address) as second:
            wait_for_nodes(address, 2)
            yield address, second


def wait_for_nodes(address: str, count: int) -> None:
    """Wait until so many nodes have joined."""
    code = (
        f"import ray; ray.init(address={address!r}, log_to_driver=False); "
        f"raise SystemExit(sum(node['Alive'] for node in ray.nodes()) < {count})"
    )
    end = time.monotonic() + 120
    while subprocess.run(
        [sys.executable, "-c", code], stderr=subprocess.DEVNULL, check=False
    ).returncode:
        assert time.monotonic() < end, "the cluster does not come up"
        time.sleep(1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_lost_node_costs_no_set(
    cluster: tuple[str, subprocess.Popen[bytes]],
    line_folder: Path,
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    """What the lost node had committed stays; what it held is made by the other."""
    address, second = cluster
    options = {"model": tiny_model, "past": 2, "future": 2, "samples": 60, "keep": 2, "workers": 2}
    listed = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    mode = ["--mode", "both", "--quiet"]
    stores = {name: tmp_path / name for name in ("broken", "whole")}
    command = [str(FLAWCAST), "generate", os.path.relpath(line_folder, tmp_path), *listed, *mode]
    there = ["--ray-address", address]  # its workers run in another folder
    process = subprocess.Popen([*command, "--store", "broken", *there], cwd=tmp_path)
    try:
        end = time.monotonic() + 300
        while _count(stores["broken"]) < 2 and process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        assert process.poll() is None, "the run ended before a node could be killed"
        kill(second)
        assert process.wait(300) == 0
    finally:
        process.kill()
        process.wait()
    subprocess.run([*command, "--store", "whole"], check=True, cwd=tmp_path)
    broken, whole = (SampleStore.open(store) for store in stores.values())
    assert broken.set_ids() == whole.set_ids()
    assert len(whole.set_ids()) == 12
    for set_id in whole.set_ids():
        assert (broken.load(set_id).videos == whole.load(set_id).videos).all()
    assert broken.verify() == []


def _count(store: Path) -> int:
    """Sets in a store that may not be there yet."""
    return len(SampleStore.open(store).set_ids()) if (store / "store.json").is_file() else 0
