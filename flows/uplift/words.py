"""How both reports say whether an arm helps."""

from collections.abc import Mapping
from typing import Any


def difference_cells(found: Mapping[str, Any] | None) -> tuple[str, str]:
    """Two cells of a table: a difference with its interval, and the verdict."""
    if found is None:
        return "", ""
    low, high = found["interval"]
    return f"{found['difference']:+.3f} ({low:+.3f}, {high:+.3f})", found["verdict"]


def verdict_lines(verdicts: Mapping[str, str]) -> list[str]:
    """Plain sentences.

    Args:
        verdicts: By what was compared.
    """
    named = {
        verdict: ", ".join(name for name, said in verdicts.items() if said == verdict)
        for verdict in ("helps", "hurts")
    }
    return [
        f"**Arms that help**: {named['helps'] or 'none shown'}.",
        "",
        f"**Arms that hurt**: {named['hurts'] or 'none shown'}.",
    ]
