"""Accessibility of pages: axe-core looks at what Chromium shows."""

from typing import Any

import pytest

from tests.browser import Page

GRAVE = ("serious", "critical")
SECONDS = 240  # a grid of clips takes two on a quiet machine


def axe_findings(page: Page, impacts: tuple[str, ...] = GRAVE) -> list[str]:
    """What axe-core finds on the page as it is now, one line for each rule."""
    axe = pytest.importorskip("axe_core_python.selenium", reason="needs axe-core-python, see [dev]")
    page.driver.set_script_timeout(SECONDS)
    answer = axe.Axe().run(page.driver, options={"resultTypes": ["violations"]})
    found: list[dict[str, Any]] = answer["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: "
        + "; ".join(node["html"][:160] for node in rule["nodes"][:3])
        for rule in found
        if rule["impact"] in impacts
    ]
