"""Pages of frames that are not square, and of frames larger than a tile."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import Keys

from flawcast.flows.browse.pictures import SHEET_SIDE, sheet_size
from flawcast.storage import SampleStore
from tests.browser import Page
from tests.flows.any_size import LARGE, ODD, TALL, store_of_sizes
from tests.flows.browse.browsing import served, visit
from tests.storage.examples import set_id


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SampleStore:
    return store_of_sizes(tmp_path_factory.mktemp("sizes") / "s", TALL, ODD, large=True)


@pytest.fixture(scope="module")
def client(store: SampleStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with visit(store, tmp_path_factory.mktemp("cache")) as client:
        yield client


@pytest.fixture
def url(chromium: Any, store: SampleStore, tmp_path: Path) -> Iterator[str]:
    with served(store.url, tmp_path / "cache") as url:
        yield url


def picture(client: httpx.Client, address: str) -> np.ndarray:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as found:
        return np.asarray(found.convert("RGB"))


@pytest.mark.parametrize(("seed", "size"), [(0, TALL), (1, ODD), (9, LARGE)], ids=str)
def test_sheets_fit_a_browser_and_frames_are_whole(
    client: httpx.Client, store: SampleStore, seed: int, size: tuple[int, int]
) -> None:
    shown = sheet_size(*size)
    assert shown == (size if max(size) <= SHEET_SIDE else (270, 480))
    for name in ("videos", "masks"):
        sheet = picture(client, f"/set/{set_id(seed)}/{name}.webp?rank=1")
        assert (sheet.shape[0] % shown[0], sheet.shape[1] % shown[1]) == (0, 0)
    made = store.load(set_id(seed))
    frame = picture(client, f"/set/{set_id(seed)}/videos/3.webp?rank=1")
    assert np.array_equal(frame, made.videos[1, 3])
    assert np.array_equal(
        picture(client, f"/set/{set_id(seed)}/reference/4.webp"), made.reference[4]
    )
    clip = picture(client, f"/clip/{made.sample_id(made.indices[0])}.webp?still=true")
    assert np.isclose(clip.shape[0] / clip.shape[1], size[0] / size[1], rtol=0.02)


@pytest.mark.parametrize("what", ["videos/99", "videos/-1", "masks/0", "nothing/0"])
def test_frames_that_are_not_there_are_refused(client: httpx.Client, what: str) -> None:
    assert client.get(f"/set/{set_id(9)}/{what}.webp").status_code in (404, 422)


def test_a_video_is_looked_at_in_its_own_size(page: Page, url: str, tmp_path: Path) -> None:
    for width in (1280, 390):
        page.size(width)
        page.open(f"{url}/")
        page.until(
            lambda: page.run("return document.images[0].complete && document.images[0].src"),
            "no clips",
        )
        page.screenshot(tmp_path / f"sizes-grid-{width}.png", whole=True)
        page.open(f"{url}/set/{set_id(9)}")
        page.until(lambda: page.run("return document.body.dataset.ready"), "no keypoints came")
        page.one("#rank-1 .zoom").click()
        native = "const c = document.querySelector('#native canvas'); return [c.width, c.height]"
        assert page.run(native) == [LARGE[1], LARGE[0]]
        page.until(lambda: sharpness(page) > 0, "the frame was not drawn")
        page.press("+")
        assert page.one("#native-zoom").text == "200 %"
        assert page.one("#native .scroll canvas").size["width"] == 2 * LARGE[1]
        page.press("0")
        assert page.one("#native .scroll canvas").size["width"] < width, "it does not fit"
        page.press("1", "l")
        page.screenshot(tmp_path / f"sizes-native-{width}.png")
        where = page.one("#native .lens").location["x"]
        page.press(Keys.ARROW_RIGHT)
        assert page.one("#native .lens").location["x"] > where, "arrows do not move the loupe"
        page.press("l")
        assert page.all("#native .lens[hidden]")
        page.one("#native-close").click()
        page.screenshot(tmp_path / f"sizes-set-{width}.png", whole=True)
    page.one("#rank-2 canvas").click()
    assert not page.run("return document.querySelector('#native').open"), "one click chooses"
    page.one("#rank-2 canvas").click()
    assert page.run("return document.querySelector('#native').open"), "the second one enlarges"


def sharpness(page: Page) -> float:
    """Whether the enlarged canvas shows anything."""
    code = (
        "const c = document.querySelector('#native canvas');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "let s = 0; for (let i = 4; i < d.length; i += 4) s += Math.abs(d[i] - d[i - 4]); return s"
    )
    return float(page.run(code))
