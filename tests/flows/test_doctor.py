"""`flawcast doctor` finds a fit machine fit, and names what is not."""

import json
import shutil
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import pytest

from flawcast.flows.doctor import examine
from tests.flows.commands.running import run

CHECKS = [
    *("python", "packages", "processor", "kernels", "memory", "disk", "accelerator", "codecs"),
    "models",
]
Usage = namedtuple("Usage", "total used free")


def test_it_finds_this_machine_fit() -> None:
    done = run("doctor", "--no-services")
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [*CHECKS, "all"]


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    done = run("doctor", "--json")
    assert done.returncode == 1
    found = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert list(found) == [*CHECKS, "prefect", "ray"]
    assert [name for name, finding in found.items() if finding["state"] == "error"] == ["prefect"]
    assert "http://127.0.0.1:9/api" in found["prefect"]["found"]
    assert "unset PREFECT_API_URL" in found["prefect"]["fix"]


def test_a_missing_package_and_a_full_disk_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "duckdb":
            raise metadata.PackageNotFoundError
        return "1.0" if name == "torch" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10, 10, 0))
    found = {finding.name: finding for finding in examine(tmp_path, services=False)}
    assert found["packages"].state == "error"
    assert "duckdb is missing" in found["packages"].found
    assert "torch 1.0, expected ==" in found["packages"].found
    assert found["disk"].state == "warning"
    assert found["disk"].fix.startswith("make room")
