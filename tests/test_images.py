"""Dockerfile and compose file: linted, and nothing in them that this repository does not have."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.paths import ROOT

BIN = Path(sys.executable).parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = {"prefect": ["prefect", "server", "start"], "ray": ["ray", "start"]}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """The services of the compose file by name, with what they share merged in."""
    read: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return read["services"]


def test_a_linter_of_dockerfiles_has_nothing_to_say() -> None:
    done = subprocess.run([BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_has_the_torch_that_was_tested() -> None:
    """The build of PyTorch is chosen before all else is installed, so it must be the same one."""
    (named,) = re.findall(r"torch==([\d.]+)", DOCKERFILE)
    assert f"torch=={named}\n" in (ROOT / "constraints.txt").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert f"torch=={named}" in extras["generate"]


def test_what_the_image_is_built_from_is_what_a_wheel_is_built_from() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"]
    links = {path.name for path in (ROOT / "flawcast").iterdir() if path.is_symlink()}
    assert links <= set(kept)
    assert {"flawcast", "pyproject.toml", "README.md", "LICENSE", "constraints.txt"} <= set(kept)
    assert all((ROOT / name).exists() for name in kept)


def test_services_wait_for_services_that_can_be_waited_for(
    services: dict[str, dict[str, Any]],
) -> None:
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            assert name in services
            assert "healthcheck" in services[name] or how["condition"].endswith("successfully")


@pytest.mark.parametrize("program", OURS)
def test_what_nodes_start_is_there_and_knows_its_options(
    program: str, services: dict[str, dict[str, Any]]
) -> None:
    start = OURS[program]
    options = {
        word.split("=")[0]
        for service in services.values()
        for word in service.get("entrypoint", [])
        if service["entrypoint"][: len(start)] == start and word.startswith("--")
    }
    known = subprocess.run(
        [BIN / program, *start[1:], "--help"], capture_output=True, text=True, check=True
    )
    assert options
    assert all(option in known.stdout for option in options)


def test_the_command_it_names_is_one_of_ours() -> None:
    (command,) = re.findall(r"exec ray-head flawcast (\w+) ", (ROOT / "compose.yaml").read_text())
    assert (ROOT / "flows" / "commands" / f"{command}.py").is_file()
