"""Accessibility of pages: axe-core looks at what Chromium shows."""

from typing import Any

import pytest

from tests.browser import Page

GRAVE = ("serious", "critical")


def axe_findings(page: Page, impacts: tuple[str, ...] = GRAVE) -> list[str]:
    """What axe-core finds on the page as it is now, one line for each rule."""
    axe = pytest.importorskip("axe_core_python.selenium", reason="needs axe-core-python, see [dev]")
    found: list[dict[str, Any]] = axe.Axe().run(page.driver)["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: "
        + "; ".join(node["html"][:160] for node in rule["nodes"][:3])
        for rule in found
        if rule["impact"] in impacts
    ]
