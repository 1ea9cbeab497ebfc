"""Where the project is, its reference numbers, and the real clips beside it."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "tests" / "fixtures"
SHARED = ROOT / ".." / "shared"
