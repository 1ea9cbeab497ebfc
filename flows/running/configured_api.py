"""The Prefect server that the user configured, found without importing Prefect.

Prefect reads its settings when it is imported. So what decides the environment of that import must
be known before it.
"""

import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flawcast.flows.running.environment import prefect_home

NAME = "PREFECT_API_URL"


def configured_api(environment: Mapping[str, str] = os.environ) -> str | None:
    """Address of the Prefect server that the environment, a file or the active profile names.

    The order is Prefect's: PREFECT_API_URL, also in a file .env; prefect.toml or pyproject.toml in
    this folder; the active profile. A process that has imported Prefect asks it too.
    """
    named = _named(environment, NAME, "api", "url")
    if named:
        return named
    if "prefect.settings" in sys.modules:
        from prefect.settings import PREFECT_API_URL

        return PREFECT_API_URL.value()
    profiles = _named(environment, "PREFECT_PROFILES_PATH", "profiles_path")
    path = Path(profiles) if profiles else prefect_home(environment) / "profiles.toml"
    active = environment.get("PREFECT_PROFILE") or _value(path, "active")
    return _value(path, "profiles", active, NAME) if active else None


def _named(environment: Mapping[str, str], name: str, *keys: str) -> str | None:
    """A setting of the environment, or of the files in this folder that Prefect reads."""
    return (
        environment.get(name)
        or _of_dotenv(name)
        or _value(Path("prefect.toml"), *keys)
        or _value(Path("pyproject.toml"), "tool", "prefect", *keys)
    )


def _of_dotenv(name: str) -> str | None:
    """A variable of the file .env in this folder; None if there is none, or no such file."""
    path = Path(".env")
    if not path.is_file():
        return None
    from dotenv import dotenv_values

    try:
        values = dotenv_values(path)
    except (OSError, UnicodeDecodeError):
        return None
    return values.get(name) or None


def _value(path: Path, *keys: str) -> str | None:
    """A text in a TOML file; None if there is none."""
    try:
        found: Any = tomllib.loads(path.read_text(encoding="utf-8"))
        for key in keys:
            found = found[key]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) and found else None
