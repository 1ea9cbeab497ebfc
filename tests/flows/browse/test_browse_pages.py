"""The pages as a person uses them: headless Chromium filters, sorts, opens, plays and marks."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Keys

from flawcast.storage import SampleStore
from tests.browser import Page
from tests.flows.browse.browsing import HOSTILE, served, visible_set
from tests.storage.examples import set_id

VIEWS = [(1280, False), (1280, True), (390, False), (390, True)]


@pytest.fixture
def url(chromium: Any, store: SampleStore, tmp_path: Path) -> Iterator[str]:
    """The pages' address; after `chromium`, so that nothing is served where there is none."""
    with served(store.url, tmp_path / "cache") as url:
        yield url


def shown(page: Page) -> list[str]:
    """Ids of the samples on the page."""
    found = "return [...document.querySelectorAll('.card')].map(card => card.dataset.sample)"
    return list(page.run(found))


def wait_for(page: Page, wanted: list[str]) -> None:
    page.until(lambda: shown(page) == wanted, f"the page does not show {wanted}")


def ids(store: SampleStore, where: str | None = None, order: str = "diversity desc") -> list[str]:
    found: list[str] = store.query(where, order, rows="samples")["sample_id"].to_pylist()
    return found


def test_filters_and_sorts_follow_at_once_and_stay_in_the_address(
    page: Page, url: str, store: SampleStore
) -> None:
    page.open(url)
    wait_for(page, ids(store))
    page.one("[name=label][value=jam]").click()
    wait_for(page, ids(store, "label = 'jam'"))
    page.one("[name=sort] option[value=mae]").click()
    wait_for(page, ids(store, "label = 'jam'", "mae"))
    page.one("[name=mae_to]").send_keys(*[Keys.ARROW_LEFT] * 60)
    page.until(lambda: "mae_to" in page.driver.current_url, "the slider is not in the address")
    assert "label=jam" in page.driver.current_url
    bound = re.search(r"mae_to=([\d.]+)", page.driver.current_url)
    assert bound
    wanted = ids(store, f"label = 'jam' and mae <= {bound[1]}", "mae")
    assert 0 < len(wanted) < 6
    wait_for(page, wanted)
    page.driver.refresh()
    wait_for(page, wanted)
    assert page.one("[name=label][value=jam]").is_selected()
    assert f"mae <= {bound[1]}" in page.one(".line code").text, "the line to copy says the same"
    page.one("[name=where]").send_keys("rank = 0")
    wait_for(page, [name for name in wanted if name in ids(store, "rank = 0")])
    page.one("[name=where]").send_keys(" and nonsense")
    assert "nonsense" in page.one("p.problem").text
    page.one("a.button").click()
    wait_for(page, ids(store))


def test_clips_play_in_view_only(page: Page, url: str) -> None:
    page.size(390, 500)
    page.open(url)
    sources = "return [...document.querySelectorAll('[data-clip]')].map(i => i.getAttribute('src'))"
    page.until(lambda: page.run(sources)[0], "the first clip does not play")
    assert page.run(sources)[-1] is None, "the last clip is far below"
    page.run("scrollTo(0, 1e6)")
    page.until(lambda: page.run(sources)[-1] and not page.run(sources)[0], "clips are not let go")
    page.until(
        lambda: page.run("return [...document.images].at(-1).naturalWidth") == 32, "no clip came"
    )
    page.run("scrollTo(0, 0)")
    page.one("#motion").click()
    page.until(lambda: str(page.run(sources)[0]).endswith("still=true"), "clips do not stop")


def test_pages_follow_one_another(
    page: Page, url: str, store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flawcast.flows.browse.views.PAGE", 5)
    page.open(url)
    page.one("a[rel=next]").click()
    wait_for(page, ids(store)[5:10])
    assert "page=2" in page.driver.current_url
    page.driver.back()
    wait_for(page, ids(store)[:5])


def test_a_set_plays_all_futures_on_one_clock(page: Page, url: str) -> None:
    page.open(f"{url}/set/{set_id(1)}")
    frame = "return document.body.dataset.frame"
    first = page.run(frame)
    page.until(lambda: page.run(frame) != first, "it does not play by itself")
    page.one("#play").click()
    stopped = page.run(frame)
    page.one("#time").send_keys(Keys.HOME)
    assert (page.run(frame), page.one("#clock").text) == ("0", "t-1, seen")
    page.one("#time").send_keys(Keys.END)
    assert page.one("#clock").text == "t+4 of 4"
    assert page.run(frame) != stopped or stopped == "5"


def pixels(page: Page, selector: str) -> list[int]:
    """The first pixel of a canvas and a checksum of all; a million numbers travel for seconds."""
    return list(
        page.run(
            "const c = document.querySelector(arguments[0]);"
            "const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
            "const sum = data.reduce((sum, value) => Math.imul(31, sum) + value | 0, 0);"
            "return [...data.slice(0, 4), sum]",
            selector,
        )
    )


def test_toggles_change_what_is_drawn(page: Page, url: str) -> None:
    page.open(f"{url}/set/{set_id(1)}")
    page.until(lambda: page.run("return document.body.dataset.ready"), "no keypoints came")
    page.one("#play").click()
    page.one("#time").send_keys(Keys.END)
    tile = "#rank-1 canvas"
    page.until(lambda: sum(pixels(page, tile)[:3]), "the frame was not drawn")
    plain = pixels(page, tile)
    assert plain[:3] == [80, 90, 140], "the video's own colours, bit for bit"
    seen = [plain]
    for name in ("difference", "masks", "outlines", "tracks"):
        page.one(f"[data-toggle={name}]").click()
        page.until(lambda: pixels(page, tile) not in seen, f"{name} changes nothing")
        seen.append(pixels(page, tile))
    assert seen[1][:3] == [0, 0, 0], "where a future is like the reference, the difference is black"
    for name in ("difference", "masks", "outlines", "tracks"):
        page.one(f"[data-toggle={name}]").click()
    page.until(lambda: pixels(page, tile) == plain, "switched off, nothing is left of it")
    fan = pixels(page, "#fan")
    page.one("#rank-2 canvas").click()
    page.until(lambda: pixels(page, "#fan") != fan, "the chosen future is not highlighted")
    curves = pixels(page, "#curves")
    page.one("#value option:nth-child(2)").click()
    page.until(lambda: pixels(page, "#curves") != curves, "another value has another curve")


def test_a_mark_is_seen_by_queries(page: Page, url: str, store: SampleStore) -> None:
    page.open(url)
    first, second = shown(page)[:2]
    page.one(f"[data-sample='{first}'] [data-mark=rejected]").click()
    page.until(lambda: ids(store, "review = 'rejected'") == [first], "the mark is not in the store")
    page.one(f"[data-sample='{first}'][data-review=rejected]")
    page.one(f"[data-sample='{second}'] [data-mark=accepted]").click()
    page.until(lambda: ids(store, "review = 'accepted'") == [second], "nor is the other")
    page.one("[name=review][value=none]").click()
    wait_for(page, ids(store, "review = 'none'"))
    page.open(f"{url}/set/{first.rpartition('-')[0]}")
    page.one("#note").send_keys("it was not so bad")
    page.one(f"[data-sample='{first}'] [data-mark=rejected]").click()
    page.until(lambda: not ids(store, "review = 'rejected'"), "it is not taken back")
    last = store.query("newest", rows="reviews").to_pylist()[-1]
    assert (last["review"], last["note"], last["reviewer"]) == ("none", "it was not so bad", "Ada")


def test_all_can_be_done_from_the_keyboard(page: Page, url: str, store: SampleStore) -> None:
    page.open(url)
    wait_for(page, ids(store))
    focused = "return document.activeElement.dataset.sample ?? document.activeElement.name"
    reached = set()
    for _ in range(60):
        page.press(Keys.TAB)
        reached.add(page.run(focused))
        if page.run(focused) == shown(page)[0]:
            break
    assert {"sort", "diversity_from", "mae_to", "label", "run", "where"} <= reached
    assert page.run(focused) == shown(page)[0]
    page.press(Keys.ARROW_RIGHT)
    assert page.run(focused) == shown(page)[1]
    page.press("r")
    page.until(lambda: ids(store, "review = 'rejected'") == shown(page)[1:2], "R does not reject")
    page.press("a")
    page.until(lambda: ids(store, "review = 'accepted'") == shown(page)[1:2], "A does not accept")
    page.press("c")
    page.until(lambda: ids(store, "review = 'none'") == ids(store), "C does not clear")
    page.press(Keys.ENTER)
    page.one("#play")
    page.until(lambda: page.run("return document.body.dataset.ready"), "no keypoints came")
    page.press(Keys.SPACE)
    assert page.one("#play").text == "play"
    before = int(page.run("return document.body.dataset.frame"))
    page.press(".", "d")
    assert int(page.run("return document.body.dataset.frame")) == (before + 1) % 6
    assert page.one("[data-toggle=difference]").get_attribute("aria-pressed") == "true"
    page.one("#back").send_keys(Keys.ENTER)
    wait_for(page, ids(store))


def test_injected_markup_does_nothing(page: Page, tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    store.commit(visible_set(1, label=HOSTILE, clip_name=HOSTILE, run_id=HOSTILE))
    with served(store.url, tmp_path / "cache") as url:
        for address in ("/", f"/set/{set_id(1)}"):
            page.open(url + address)
            assert HOSTILE in page.one("h1 .label, .card .label").get_attribute("textContent")
            assert page.driver.title != "owned"
            assert page.all("img[onerror]") == []


@pytest.mark.parametrize(("width", "dark"), VIEWS, ids=lambda value: str(value))
def test_nothing_sticks_out(page: Page, url: str, tmp_path: Path, width: int, dark: bool) -> None:
    page.size(width, 900, dark)
    name = f"{width}-{'dark' if dark else 'light'}"
    for view, address in (("grid", "/"), ("set", f"/set/{set_id(1)}")):
        page.open(url + address)
        page.until(
            lambda: page.run("return [...document.images].slice(0, 2).every(i => i.naturalWidth)"),
            "clips do not come",
        )
        assert page.sideways() == []
        picture = page.screenshot(tmp_path / f"browse-{view}-{name}.png", whole=True)
        assert picture.stat().st_size > 10_000
