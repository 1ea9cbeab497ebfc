"""Where the project is, and the reference data beside it."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED = ROOT / ".." / "shared"
