"""The tutorials of docs/tutorials run as they stand, each in a folder of its own."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

import pytest

from flawcast.flows.schedule.serve import read_schedule
from flawcast.storage import SampleStore
from tests.flows.generate.test_cluster import cluster as cluster
from tests.flows.generate.test_cluster import kill
from tests.paths import ROOT
from tests.places import BUCKET

PAGES = ROOT / "docs" / "tutorials"
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"\n]*)\")?\n(.*?)^```", re.DOTALL | re.MULTILINE)
BIN = Path(sys.executable).parent


def follow(page: str, folder: Path, instead: Mapping[str, str]) -> str:
    """Do what a tutorial says, in its order; returns what its commands printed.

    Args:
        page: The tutorial.
        folder: Where; its files are written under the names in their titles.
        instead: What other words stand for here: addresses, and what cannot be fetched.
    """
    text, printed = (PAGES / page).read_text(), []
    for language, title, block in BLOCK.findall(text):
        for words, ours in instead.items():
            block = block.replace(words, ours)
        if title:
            (folder / title).write_text(block)
            continue
        assert language == "sh", f"{page}: a block of {language} needs a title, so that it is run"
        environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (block, done.stdout, done.stderr)
        printed.append(done.stdout)
    return "\n".join(printed)


def test_every_tutorial_is_followed() -> None:
    ours = Path(__file__).read_text()
    for page in PAGES.glob("*.md"):
        assert f'follow("{page.name}"' in ours, page


@pytest.mark.slow
def test_own_clips(tmp_path: Path) -> None:
    said = follow("own-clips.md", tmp_path, {})
    assert "4 sets written" in said
    assert (tmp_path / "report.html").is_file()


@pytest.mark.slow
def test_defects_from_stills(tmp_path: Path) -> None:
    said = follow("defects-from-stills.md", tmp_path, {})
    assert " added, 0 known already, 0 stills left out" in said
    assert "crack" in said
    assert (tmp_path / "bank.png").is_file()
    assert len(list((tmp_path / "made-yolo" / "labels").rglob("*.txt"))) > 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_anomalib(tmp_path: Path) -> None:
    """Without anomalib, all but its own script; its weights cannot be fetched here."""
    instead = {"Padim()": "Padim(pre_trained=False)"}
    if subprocess.run([sys.executable, "-c", "import anomalib"], capture_output=True).returncode:
        instead["python detect.py"] = "python -m py_compile detect.py"
    said = follow("anomalib.md", tmp_path, instead)
    assert "stain" in said
    for name in ("good", "defect", "masks"):
        assert any((tmp_path / "made" / name).iterdir())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nightly_cluster(
    tmp_path: Path, bucket_url: str, cluster: tuple[str, subprocess.Popen[bytes]]
) -> None:
    """On a cluster of two nodes and a server of S3; the night comes every minute."""
    address, store = cluster[0], bucket_url
    instead = {
        "export AWS_": "true AWS_",
        "ray start --head --port=6379": "true",
        "127.0.0.1:6379": address,
        "s3://samples/line-7": store,
        '"0 2 * * *"': '"* * * * *"',
        "9464": str(_free_port()),
        "flawcast schedule": "echo flawcast schedule",
    }
    assert BUCKET in store
    said = follow("nightly-cluster.md", tmp_path, instead)
    assert "3 sets written" in said
    (command,) = [line for line in said.splitlines() if line.startswith("flawcast schedule")]
    assert read_schedule(tmp_path / "nightly.yaml").request.ray_address == address
    night = command.replace("* * * * *", "'* * * * *'")
    process = subprocess.Popen(["bash", "-c", f"exec {BIN}/{night}"], cwd=tmp_path)
    try:
        wait_for_a_night(SampleStore.open(store))
        with urlopen(f"http://127.0.0.1:{instead['9464']}/metrics") as answer:
            assert b"flawcast_sets_made_total" in answer.read()
    finally:
        kill(process)
    assert "flawcast_sets_made_total" in (tmp_path / "line-7.prom").read_text()
    assert '"present": 3' in (tmp_path / "nightly.log").read_text()


def wait_for_a_night(store: SampleStore) -> None:
    """Wait until a second run has ended."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        states = store.query(rows="runs")["state"].to_pylist()
        if states.count("completed") == 2:
            time.sleep(5)  # it writes its metrics
            return
        time.sleep(2)
    raise AssertionError(states)


def _free_port() -> int:
    """A port that nobody uses."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
