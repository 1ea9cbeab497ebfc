"""Review from the keyboard alone: every mark is in the store, progress is kept and shared."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from selenium.webdriver import Keys

from flawcast.storage import SampleStore
from flawcast.storage.sample_cache import CachedSamples
from tests.browser import Page
from tests.flows.browse.browsing import files, served
from tests.storage.examples import sample_set

KEPT = 20


@pytest.fixture
def url(chromium: Any, store: SampleStore, tmp_path: Path) -> Iterator[str]:
    """The pages' address; after `chromium`, so that nothing is served where there is none."""
    with served(store.url, tmp_path / "cache") as url:
        yield url


def ids(store: SampleStore, where: str | None = None, order: str = "diversity desc") -> list[str]:
    found: list[str] = store.query(where, order, rows="samples")["sample_id"].to_pylist()
    return found


def here(page: Page) -> str:
    """The sample that the page shows."""
    return str(page.run("return location.hash.slice(1)"))


def begin(page: Page, url: str, address: str = "/review") -> None:
    page.open(url + address)
    page.until(lambda: page.run("return document.body.dataset.ready"), "the page does not begin")


def settle(page: Page) -> None:
    """Wait until the store has every mark."""
    page.until(lambda: page.run("return document.body.dataset.waiting") == "0", "marks are lost")


def test_samples_are_reviewed_by_key(
    page: Page, url: str, store: SampleStore, tmp_path: Path
) -> None:
    every = ids(store)
    before = files(Path(store.url))
    page.open(url)
    page.one("#go-review").send_keys(Keys.ENTER)
    page.until(lambda: page.run("return document.body.dataset.ready"), "the page does not begin")
    assert here(page) == every[0]
    page.until(lambda: page.run("return document.body.dataset.drawn") == every[0], "no picture")
    page.press("j", "j")
    assert here(page) == every[2]
    page.press("k")
    assert here(page) == every[1]
    page.press("a")
    assert here(page) == every[2], "it does not go on by itself"
    page.press("r", "a")
    settle(page)
    assert ids(store, "review = 'accepted'") == [every[1], every[3]]
    assert ids(store, "review = 'rejected'") == [every[2]]
    assert page.one("#progress").text == "3 of 12 reviewed: 2 accepted, 1 rejected"
    page.press("u")
    settle(page)
    assert (here(page), ids(store, "review = 'accepted'")) == (every[3], [every[1]])
    page.press("u", "u", "u")  # once more than there is
    settle(page)
    assert "nothing to undo" in page.one("#toast").text
    assert ids(store, "review <> 'none'") == []
    page.press("?")
    assert page.one("#help").text.startswith("Keys")
    page.press("a")
    assert ids(store, "review <> 'none'") == [], "a key behind the list does nothing"
    page.press("?")
    assert not page.run("return document.querySelector('#help').open")
    after = files(Path(store.url))
    assert {name: after[name] for name in before} == before, "a review changes no file"
    assert all(name.startswith("reviews/") for name in after.keys() - before.keys())


def test_progress_is_kept_and_shared(
    page: Page, store: SampleStore, tmp_path: Path, chromium: Any
) -> None:
    every = ids(store)
    with served(store.url, tmp_path / "cache") as url:
        begin(page, url)
        page.press("a", "r")
        settle(page)
    with served(store.url, tmp_path / "cache") as url:  # started again
        begin(page, url)
        assert here(page) == every[2], "it does not go on where it was left"
        assert page.one("#bar").get_property("value") == 2
        store.review(every[2], "rejected", reviewer="Grace")
        page.run("document.dispatchEvent(new Event('visibilitychange'))")
        page.until(lambda: page.one("#verdict").text == "rejected", "a colleague's mark is unseen")
        page.press("n")
        assert here(page) == every[3]
        page.press("j", "j")
        page.driver.refresh()
        page.until(lambda: page.run("return document.body.dataset.ready"), "nothing begins")
        assert here(page) == every[5], "a reload leads elsewhere"
    by = {row["sample_id"]: row["reviewer"] for row in store.query(rows="reviews").to_pylist()}
    assert by == {every[0]: "Ada", every[1]: "Ada", every[2]: "Grace"}


def test_a_filter_in_the_address_is_reviewed(page: Page, url: str, store: SampleStore) -> None:
    wanted = ids(store, "label = 'jam'", "mae")
    begin(page, url, "/review?label=jam&sort=mae&review=none")
    for number, name in enumerate(wanted):
        assert here(page) == name
        page.press("a" if number else "r")
    settle(page)
    assert page.one("#progress").text == "6 of 6 reviewed: 5 accepted, 1 rejected"
    assert page.one("#after").text == "All of these are reviewed"
    assert ids(store, "review = 'accepted'", "mae") == wanted[1:]
    lines = [line.text for line in page.all("#done code")]
    assert "\"(label = 'jam') and review = 'accepted'\"" in lines[0]
    store.tag("reviewed", "accepted > 0 and rejected = 0")
    kept = {name.rpartition("-")[0] for name in wanted} - {wanted[0].rpartition("-")[0]}
    assert set(SampleStore.open(store.url, tag="reviewed").set_ids()) == kept
    assert lines[1].endswith('--where "accepted > 0 and rejected = 0"')


def test_a_mark_that_fails_is_taken_back(page: Page, store: SampleStore, tmp_path: Path) -> None:
    with served(store.url, tmp_path / "cache") as url:
        begin(page, url)
        first = here(page)
    page.press("a")  # nobody answers any more
    page.until(lambda: "has ended" in page.one("#toast").text, "nobody says so")
    assert here(page) == first
    assert page.one("#verdict").text == "not reviewed"
    page.open("about:blank")  # so that it asks no more
    assert page.errors(), "the browser says that the connection was refused"


@pytest.mark.parametrize(
    ("address", "code", "line"),
    [
        ("/review?sort=rm", 400, "sort"),
        ("/review?where=nonsense%20(", 404, "where"),
        ("/tag/v1/review", 404, "its reviews do not change"),
    ],
)
def test_bad_addresses_are_one_line(
    store: SampleStore, client: httpx.Client, address: str, code: int, line: str
) -> None:
    store.tag("v1")
    answer = client.get(address, headers={"accept": "text/html"})
    assert (answer.status_code, line in answer.text) == (code, True)
    assert "Traceback" not in answer.text


def test_nothing_to_review_says_so(client: httpx.Client) -> None:
    assert "No sample is like that" in client.get("/review?label=absent").text


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=str)
def test_the_page_looks_right(page: Page, url: str, tmp_path: Path, width: int, dark: bool) -> None:
    page.size(width, 900, dark)
    begin(page, url)
    page.until(lambda: page.run("return document.body.dataset.drawn"), "no picture")
    page.press("a", "r")
    settle(page)
    assert page.sideways() == []
    page.screenshot(tmp_path / f"review-{width}.png", whole=True)
    page.press("?")
    page.screenshot(tmp_path / f"review-keys-{width}.png")


def small_set(seed: int) -> Any:
    """A set with 20 kept videos of 16x16."""
    rng = np.random.default_rng(seed)
    videos = np.full((KEPT, 2, 16, 16, 3), rng.integers(30, 220, 3), np.uint8)
    return sample_set(
        seed,
        videos=videos,
        indices=list(range(KEPT)),
        mae=np.sort(rng.random(KEPT)).astype(np.float32),
        keypoints=rng.normal(size=(KEPT, 2, 12)).astype(np.float32),
        past=videos[0],
        reference=videos[0],
        source=videos[0, 0],
        ssim=rng.random(KEPT).astype(np.float32),
        diversity=rng.random(KEPT).astype(np.float32),
        samples=KEPT,
        keep=KEPT,
        future=2,
    )


@pytest.mark.slow
def test_500_samples_are_reviewed_by_key(page: Page, tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    for seed in range(25):
        store.commit(small_set(seed))
    every = ids(store)
    assert len(every) == 500
    wanted = {
        name: "rejected" if number % 7 == 3 else "accepted" for number, name in enumerate(every)
    }
    for half in (every[:250], every[250:]):  # the server is started again between them
        with served(store.url, tmp_path / "cache") as url:
            begin(page, url)
            assert here(page) == half[0], "it does not go on where it was left"
            page.press(*(wanted[name][0] for name in half))
            page.until(
                lambda: page.run("return document.body.dataset.waiting") == "0", "marks", 300
            )
            progress = page.one("#progress").text
            page.open("about:blank")  # so that it does not ask a server that has ended
    verdicts = CachedSamples(store.url).verdicts().to_pylist()
    assert {row["sample_id"]: row["verdict"] for row in verdicts} == wanted
    assert progress == "500 of 500 reviewed: 429 accepted, 71 rejected"
    assert store.verify() == []
