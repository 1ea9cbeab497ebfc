"""Pages for everybody: axe-core finds nothing grave, and Tab reaches all and is held by nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Keys

from flawcast.flows.report import write_report
from flawcast.storage import SampleStore
from tests.accessibility import axe_findings
from tests.browser import Page
from tests.flows.browse.browsing import served, visible_set
from tests.flows.browse.test_browse_by_hand import by_hand, mark_a_rectangle
from tests.flows.browse.test_browse_defects import settings_with
from tests.generators.defects.test_bank import write_still
from tests.storage.examples import set_id


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SampleStore:
    """Sets with and without a defect, a tag, and reviews."""
    store = SampleStore.open(tmp_path_factory.mktemp("access") / "store", "a")
    for seed in (0, 1):
        store.commit(visible_set(seed, label="scratch", settings=settings_with("scratch", 0.4)))
    store.commit(visible_set(2))
    store.tag("v1")
    first, second, *_ = store.query(rows="samples")["sample_id"].to_pylist()
    store.review(first, "accepted")
    store.review(second, "rejected")
    store.commit(visible_set(3))
    return store


@pytest.fixture(scope="module")
def url(
    chromium: Any, store: SampleStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with served(store.url, tmp_path_factory.mktemp("cache")) as url:
        yield url


def open_versions(page: Page) -> None:
    page.one(".versions summary").click()
    page.one(".places summary").click()


def open_zoom(page: Page) -> None:
    page.until(lambda: page.run("return document.body.dataset.ready"), "no keypoints came")
    page.one("#rank-1 .zoom").click()


def open_keys(page: Page) -> None:
    page.press("?")


PAGES: dict[str, tuple[str, Callable[[Page], None] | None]] = {
    "grid": ("/", None),
    "defects": ("/?defect=scratch&severity_from=0.2", open_versions),
    "nothing": ("/?label=absent", None),
    "tag": ("/tag/v1/", None),
    "tag-set": (f"/tag/v1/set/{set_id(0)}", None),
    "compare": ("/compare?left=tag:v1&right=now", None),
    "set": (f"/set/{set_id(0)}", None),
    "zoom": (f"/set/{set_id(0)}", open_zoom),
    "review": ("/review", None),
    "keys": ("/review", open_keys),
    "problem": ("/set/set-00000000000000ff", None),
}


QUICK = ("keys", "problem")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in PAGES]
)
def test_pages_are_accessible(page: Page, url: str, name: str) -> None:
    address, then = PAGES[name]
    page.open(url + address)
    if then is not None:
        then(page)
    for dark in (False, True):
        page.size(1280, 900, dark)
        assert axe_findings(page) == []
    if name == "problem":
        assert page.errors(), "the browser says that it was answered with 404"


def test_the_page_for_stills_is_accessible(page: Page, tmp_path: Path) -> None:
    write_still(tmp_path / "stills" / "a.png")
    with by_hand(tmp_path / "stills", tmp_path / "bank") as url:
        page.open(url)
        mark_a_rectangle(page)
        for dark in (False, True):
            page.size(1280, 900, dark)
            assert axe_findings(page) == []


@pytest.mark.slow
def test_the_report_is_accessible(page: Page, store: SampleStore, tmp_path: Path) -> None:
    write_report(store.url, tmp_path / "report.html")
    page.open((tmp_path / "report.html").as_uri())
    for dark in (False, True):
        page.size(1280, 900, dark)
        assert axe_findings(page) == []


@pytest.mark.parametrize("address", ["/review", "/compare"])
def test_tab_goes_through_a_page_and_out_of_it(page: Page, url: str, address: str) -> None:
    page.open(url + address)
    wanted = page.run(_TABBABLE)
    reached = set()
    for _ in range(2 * len(wanted) + 5):
        page.press(Keys.TAB)
        reached.add(
            page.run("return [...document.querySelectorAll('*')].indexOf(document.activeElement)")
        )
    assert set(wanted) <= reached, "Tab does not reach everything, or is held somewhere"


_TABBABLE = """
const all = [...document.querySelectorAll("*")];
const kinds = "a, button, input, select, summary, [tabindex]";
return all.filter((element) => element.tabIndex >= 0 && !element.disabled
    && element.checkVisibility() && element.matches(kinds))
  .map((element) => all.indexOf(element));
"""
