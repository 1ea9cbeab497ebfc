"""Defects cut out of stills in the page: a rectangle, a brush, a label; by mouse and by key."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from selenium.webdriver import ActionChains, Keys

from flawcast.flows.browse.by_hand import Desk, serve_by_hand
from flawcast.flows.browse.serve import Address
from flawcast.generators.defects.bank import Bank, Stills
from tests.browser import Page
from tests.flows.browse.browsing import form
from tests.flows.commands.running import mistake
from tests.generators.defects.test_bank import polygon_mask, write_still

BOX = {"left": 24, "top": 14, "width": 44, "height": 28}


@contextmanager
def by_hand(stills: Path, bank: Path) -> Iterator[str]:
    """The URL of the page while it is served."""
    ready = threading.Event()
    desk = Desk(Stills(stills), Bank(bank))
    server = serve_by_hand(desk, Address(port=0), lambda url: ready.set())
    thread = threading.Thread(target=server.run_until_told)
    thread.start()
    try:
        assert ready.wait(60)
        yield server.url
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    folder = tmp_path / "stills"
    write_still(folder / "a.png")
    write_still(folder / "rust" / "b.png", 1)
    write_still(folder / "test" / "c.png", 2)
    return folder


@pytest.fixture
def url(chromium: Any, stills: Path, tmp_path: Path) -> Iterator[str]:
    """The page's address; after `chromium`, so that nothing is served where there is none."""
    with by_hand(stills, tmp_path / "bank") as url:
        yield url


def at_hand(page: Page, name: str) -> None:
    page.until(lambda: page.run("return document.body.dataset.still") == name, "no still came")


def proposed(page: Page) -> None:
    page.until(lambda: page.run("return document.body.dataset.mask"), "no mask is proposed")


def mark_a_rectangle(page: Page) -> None:
    """Drag a rectangle around the patch of the still."""
    at_hand(page, "a.png")
    canvas = page.one("#still")
    scale = canvas.size["width"] / 96
    x, y = (scale * (BOX[side] - half) for side, half in (("left", 48), ("top", 32)))
    drag = ActionChains(page.driver).move_to_element_with_offset(canvas, round(x), round(y))
    drag.click_and_hold().move_by_offset(round(scale * 20), round(scale * 14))
    drag.move_by_offset(round(scale * 24), round(scale * 14)).release().perform()
    proposed(page)


def test_a_rectangle_becomes_an_item(page: Page, url: str, tmp_path: Path) -> None:
    page.open(url)
    names = [option.text for option in page.all("#name option")]
    assert names == ["a.png", "rust/b.png"], "stills of the test split are not there"
    mark_a_rectangle(page)
    found = [int(page.one(f"#{side}").get_property("value")) for side in BOX]
    assert np.allclose(found, list(BOX.values()), atol=2)
    page.screenshot(tmp_path / "by-hand-1280.png", whole=True)
    page.one("#save").click()
    assert "needs a label" in page.one("#toast").text
    page.one("#label").send_keys("scratch", Keys.ENTER)
    page.until(lambda: page.one("#items").text == "1", "it is not saved")
    (item,) = Bank(tmp_path / "bank")
    assert (item.label, item.source) == ("scratch", "a.png")
    cut = Bank(tmp_path / "bank").cut_out(item)
    assert cut.mask.sum() == pytest.approx(polygon_mask().sum(), rel=0.1)
    page.until(lambda: page.run("return document.querySelector('#saved img').naturalWidth"), "none")
    page.one("[data-do=next]").click()
    at_hand(page, "rust/b.png")
    assert page.one("#label").get_property("value") == "rust", "the folder's name is proposed"


def test_all_can_be_done_from_the_keyboard(page: Page, url: str, tmp_path: Path) -> None:
    page.size(390)
    page.open(url)
    at_hand(page, "a.png")
    for _ in range(20):
        page.press(Keys.TAB)
        if page.run("return document.activeElement.id") == "paper":
            break
    page.press(Keys.ARROW_LEFT, Keys.ARROW_UP)  # a rectangle in the middle, moved
    start = [int(page.one(f"#{side}").get_property("value")) for side in BOX]
    assert start == [31, 20, 32, 21]
    shift = ActionChains(page.driver).key_down(Keys.SHIFT)
    shift.send_keys(*[Keys.ARROW_DOWN] * 6, Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
    assert [int(page.one(f"#{side}").get_property("value")) for side in BOX] == [31, 20, 33, 27]
    page.press(*[Keys.ARROW_LEFT] * 3, *[Keys.ARROW_UP] * 3)
    proposed(page)
    page.press("x", "[", "[", "[", " ")  # brush off, small, in the middle of the still
    proposed(page)
    page.press("u", "b", " ")
    proposed(page)
    page.screenshot(tmp_path / "by-hand-390.png")
    assert page.sideways() == []
    page.press(Keys.ENTER)
    page.press("dent", Keys.ENTER)
    page.until(lambda: page.one("#items").text == "1", "it is not saved")
    assert [item.label for item in Bank(tmp_path / "bank")] == ["dent"]
    assert page.run("return document.activeElement.id") == "paper", "the next one can be marked"


def test_a_rectangle_with_nothing_in_it_says_so(page: Page, url: str) -> None:
    page.open(url)
    at_hand(page, "a.png")
    page.press(Keys.TAB)
    for side, value in (("left", 70), ("top", 2), ("width", 4), ("height", 4)):
        page.run(
            "const input = document.querySelector(arguments[0]); input.value = arguments[1];"
            "input.dispatchEvent(new Event('change'))",
            f"#{side}",
            value,
        )
    page.run("document.querySelector('[data-tool=off]').click()")
    page.run("document.querySelector('#radius').value = 60")
    page.one("#paper").send_keys(" ")
    page.until(lambda: "found nothing; mark it" in page.one("#said").text, "nobody says so")
    page.open("about:blank")  # so that no later answer is told after this
    assert page.errors(), "the browser says that it was answered with 400"


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("/outline", {"name": "../a.png"}, "picture: expected one of"),
    ("/outline", {"name": "test/c.png"}, "of the test split"),
    ("/outline", {"box": {**BOX, "width": 1}}, "expected at least 3x3 pixels"),
    ("/outline", {"box": {**BOX, "width": 1e9}}, "box.width: "),
    ("/outline", {"strokes": [{"on": True, "radius": 2, "points": []}]}, "strokes.0.points"),
    ("/save", {"label": " "}, "label: "),
    ("/save", {"label": "x" * 101}, "label: "),
]


def test_bad_input_is_one_line(stills: Path, tmp_path: Path) -> None:
    with by_hand(stills, tmp_path / "bank") as url, httpx.Client(base_url=url) as client:
        for address, changes, line in BAD:
            values = {"name": "a.png", "box": BOX, "label": "crack", **changes}
            assert client.post(address, json=values).status_code == 403, "not from our page"
            answer = client.post(address, json=values, headers=form(client))
            assert answer.status_code == 400, address
            problem = answer.json()["problem"]
            assert line in problem
            assert "\n" not in problem
        assert client.get("/still?name=../../etc/passwd").status_code == 404
        assert client.get("/item/..%2f..%2fx.webp").status_code == 404
    assert not (tmp_path / "bank").exists(), "nothing is saved"


def test_mistakes_of_the_command_are_one_line(stills: Path, tmp_path: Path) -> None:
    bank = ("--bank", tmp_path / "bank")
    assert "expected stills" in mistake("defects", "add", tmp_path / "no", *bank, "--by-hand")
    assert "are for --by-hand" in mistake("defects", "add", stills, *bank, "--port", 0)
    line = mistake("defects", "add", stills / "a.png", *bank, "--by-hand", "--test", stills)
    assert "of the test split" in line
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "note.txt").write_text("no bank")
    wrong = ("--bank", tmp_path / "notes")
    assert "bank: expected items.parquet" in mistake("defects", "add", stills, *wrong, "--by-hand")
