"""Types of the public face: a user's script under mypy --strict, without our own settings.

Each `reveal_type(...)` of `tests/fixtures/user_script.py` says in a comment what mypy must find.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import flawcast
from tests.paths import ROOT

SCRIPT = Path("tests") / "fixtures" / "user_script.py"
# Nothing of pyproject.toml, above all not the plugin for pydantic, which a user may not have.
# Errors inside flawcast are not shown to them either, as for every installed package.
ALONE = ("--strict", "--config-file=", "--follow-imports=silent", "--ignore-missing-imports")


def short(name: str) -> str:
    """A type without the modules that it is from; of an array only that it is one."""
    bare = re.sub(r"\b(?:\w+\.)+(?=\w)", "", name)
    return "ndarray" if bare.startswith("ndarray[") else bare


def test_the_script_uses_every_name_that_has_a_type() -> None:
    text = (ROOT / SCRIPT).read_text()
    assert [name for name in flawcast.__all__ if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.slow  # mypy reads torch and numpy without its cache
@pytest.mark.timeout(1200)
def test_a_users_script_has_real_types(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *ALONE, "--cache-dir", str(tmp_path), str(SCRIPT)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    found = re.findall(r":(\d+): note: Revealed type is \"(.*)\"", done.stdout)
    lines = enumerate((ROOT / SCRIPT).read_text().splitlines(), 1)
    said = {number: line for number, line in lines if line.strip().startswith("reveal_type(")}
    assert {int(number) for number, _ in found} == set(said)
    for number, name in found:
        expected = said[int(number)].partition("  # ")[2].partition(":")[0]
        assert short(name) == expected, said[int(number)]
