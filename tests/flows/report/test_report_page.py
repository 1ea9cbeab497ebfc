"""The report in a real browser: readable at any width and colour, by mouse and by keyboard."""

import base64
from pathlib import Path

import pytest

from flawcast.flows.report import write_report
from tests.browser import Page
from tests.flows.generate.drawn_sets import drawn_store


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    drawn_store(folder / "store", ("jam", "slip", "bend", "wobble", "crack"), masks="drawn")
    write_report(str(folder / "store"), folder / "report.html")
    return (folder / "report.html").as_uri()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_cut_off_or_unreadable(
    width: int, dark: bool, url: str, page: Page, tmp_path: Path
) -> None:
    page.size(width, dark=dark)
    page.open(url)
    assert page.sideways() == []
    for target in ("h1", "#distributions svg text", "#scatter svg text", "pre"):
        box = page.run(f"return document.querySelector('{target}').getBoundingClientRect().height")
        assert box >= 9, target
    assert page.run(CONTRAST) >= 4.5
    name = f"report-{width}-{'dark' if dark else 'light'}.png"
    page.screenshot(tmp_path / name, whole=True)


CONTRAST = """
const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((value) => value / 255)
  .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
  .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
const paper = light(getComputedStyle(document.documentElement).backgroundColor);
const ratio = (element) => {
  const ink = light(getComputedStyle(element)[element.closest("svg") ? "fill" : "color"]);
  return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
};
return Math.min(...[...document.querySelectorAll("p, td, dt, a:not(svg a), svg text")].map(ratio));
"""


def test_a_point_opens_its_set(url: str, page: Page) -> None:
    page.open(url)
    name = _closed(page)
    page.one(f"#scatter svg a[href='#{name}']").click()
    _opened(page, name)


def test_a_point_opens_its_set_by_keyboard(url: str, page: Page) -> None:
    page.open(url)
    name = _closed(page)
    page.run("document.querySelector(`#scatter svg a[href='#${arguments[0]}']`).focus()", name)
    page.press("\ue007")  # enter
    _opened(page, name)
    page.press("\ue007")  # the focus went along: enter closes it again
    page.until(
        lambda: not page.run("return document.getElementById(arguments[0]).open", name),
        "the set stays open",
    )


def _closed(page: Page) -> str:
    """A set that is not open yet."""
    return str(page.all("details.set:not([open])")[0].get_attribute("id"))


def _opened(page: Page, name: str) -> None:
    look = """
        const set = document.getElementById(arguments[0]);
        const { top } = set.getBoundingClientRect();
        return set.open && top >= 0 && top < innerHeight && set.contains(document.activeElement);
    """
    page.until(lambda: page.run(look, name), f"{name} is not open, in view and in focus")


def test_tab_reaches_every_control(url: str, page: Page) -> None:
    page.open(url)
    wanted = page.run(
        "return [...document.querySelectorAll('a[href], button, select, summary')]"
        ".filter((element) => element.checkVisibility()).length"
    )
    seen = "const at = document.activeElement; window.seen ??= new Set(); seen.add(at)"
    for _ in range(wanted + 40):
        page.press("\ue004")  # tab
        page.run(seen)
    reached = "a[href], button, select, summary"
    assert page.run(f"return [...seen].filter((at) => at.matches('{reached}')).length") == wanted


def test_clips_pause_and_play_again(url: str, page: Page) -> None:
    page.open(url)
    page.one("#pause").click()
    page.one("canvas.still")
    assert not any(image.is_displayed() for image in page.all("img.moving"))
    page.one("#pause").click()
    page.until(lambda: not page.all("canvas.still"), "clips stay paused")
    assert any(image.is_displayed() for image in page.all("img.moving"))


def test_sets_can_be_ordered(url: str, page: Page) -> None:
    page.open(url)
    page.run("""
        const order = document.getElementById("order");
        order.value = "-apd";
        order.dispatchEvent(new Event("change"));
    """)
    found = [float(item.get_attribute("data-apd")) for item in page.all("#others > details")]
    assert found == sorted(found, reverse=True)


def test_printed_pages_hold_figures_and_strips(url: str, page: Page, tmp_path: Path) -> None:
    page.open(url)
    printed = page.driver.execute_cdp_cmd("Page.printToPDF", {})
    (tmp_path / "report.pdf").write_bytes(base64.b64decode(printed["data"]))
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    page.size(794)  # A4
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert page.sideways() == []
        assert not page.one(".strips").find_elements("css selector", ".loop")
        assert not any(item.is_displayed() for item in page.all(".loop, .copy, nav, .tools"))
        page.screenshot(tmp_path / "report-print.png", whole=True)
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
