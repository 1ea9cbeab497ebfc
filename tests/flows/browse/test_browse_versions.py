"""Tags at addresses of their own, and two versions or runs side by side."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from flawcast.storage import SampleStore
from tests.browser import Page
from tests.flows.browse.browsing import first_sample, form, served, visible_set
from tests.storage.examples import set_id


@pytest.fixture
def tagged(store: SampleStore) -> SampleStore:
    """Tag v1 has all four sets; now one is forgotten, one made again, one reviewed, one new."""
    store.tag("v1")
    store.forget([set_id(0), set_id(1)])
    store.commit(visible_set(1), again=True)
    store.commit(visible_set(5))
    samples = store.query(f"set_id = '{set_id(2)}'", rows="samples")["sample_id"]
    store.review(samples[0].as_py(), "rejected")
    return store


def cards(text: str) -> set[str]:
    """Sets that a page shows."""
    return set(re.findall(r'href="[^"]*/set/(set-[0-9a-f]+)', text))


def test_an_address_names_a_tag_and_a_filter(tagged: SampleStore, client: httpx.Client) -> None:
    now, tag = client.get("/").text, client.get("/tag/v1/").text
    assert cards(now) == {set_id(n) for n in (1, 2, 3, 5)}
    assert cards(tag) == {set_id(n) for n in range(4)}
    assert cards(client.get("/tag/v1/?label=jam").text) == {set_id(0), set_id(3)}
    assert client.get("/tag/v1", follow_redirects=True).url.path == "/tag/v1/"
    assert f'href="/tag/v1/set/{set_id(0)}' in tag
    assert 'href="/tag/v1/?label=jam"' in client.get("/?label=jam").text
    assert "data-mark" not in tag
    assert "--tag v1" in tag
    assert "--tag" not in now
    page = client.get(f"/tag/v1/set/{set_id(0)}")
    assert page.status_code == 200
    assert f"SampleStore.open(&#39;{tagged.url}&#39;, tag=&#39;v1&#39;)" in page.text
    sample = first_sample(SampleStore.open(tagged.url, tag="v1"))
    one = f"set/{set_id(0)}"
    for path in (f"clip/{sample}.webp", f"{one}/videos.webp", f"{one}/keypoints", one):
        assert client.get(f"/tag/v1/{path}").status_code == 200
        assert client.get(f"/{path}").status_code == 404


def test_a_tag_is_not_reviewed_and_an_unknown_one_is_one_line(
    tagged: SampleStore, client: httpx.Client
) -> None:
    mark = {"sample_id": first_sample(tagged), "review": "accepted"}
    refused = client.post("/tag/v1/review", json=mark, headers=form(client))
    assert (refused.status_code, "its reviews do not change" in refused.text) == (400, True)
    assert client.post("/tag/v1/review", json=mark).status_code == 403
    assert client.post("/review", json=mark, headers=form(client)).status_code == 200
    for path in ("/tag/v2/", "/tag/..%2fx/", "/compare?left=tag:v2"):
        answer = client.get(path, headers={"accept": "text/html"})
        assert answer.status_code == 404, path
    told = client.get("/tag/v2/", headers={"accept": "text/html"}).text
    assert "no tag &#39;v2&#39;; its tags: v1" in told
    for side in ("", "v1", "tag:a/b", "run:'; drop"):
        assert client.get("/compare", params={"left": side}).status_code == 400
    tagged.delete_tag("v1")
    assert client.get("/tag/v1/").status_code == 404
    tagged.tag("v1")
    assert cards(client.get("/tag/v1/").text) == {set_id(n) for n in (1, 2, 3, 5)}


def pairs(text: str) -> list[tuple[list[str], str]]:
    """Sets and kind of each pair that a page compares."""
    found = [re.search(r'class="how">([^<]*)<', part) for part in text.split('class="sides"')[1:]]
    sets = [re.findall(r'data-set="([^"]*)"', part) for part in text.split('class="sides"')[1:]]
    return sorted((some, how[1]) for some, how in zip(sets, found, strict=True) if how)


def test_versions_and_runs_are_shown_side_by_side(
    tagged: SampleStore, client: httpx.Client
) -> None:
    text = client.get("/compare", params={"left": "tag:v1", "right": "now"}).text
    assert pairs(text) == [
        ([set_id(0)], "left only"),
        ([set_id(1)] * 2, "made again"),
        ([set_id(2)] * 2, "other reviews"),
        ([set_id(5)], "right only"),
    ]
    assert "1 equal" in text
    assert f'href="/tag/v1/set/{set_id(0)}"' in text
    assert pairs(client.get("/compare?left=now&right=now").text) == []
    place = {"clip_id": "clip-x", "clip_name": "x", "window_start": 0, "mode": "transfer"}
    for seed, run in ((20, "run-a"), (21, "run-b")):  # the same window, with other settings
        tagged.commit(visible_set(seed, run_id=run, **place))
    text = client.get("/compare?left=run:run-a&right=run:run-b").text
    assert pairs(text) == [([set_id(20), set_id(21)], "other settings")]
    assert '<option value="run:run-a" selected>' in text


def test_browse_begins_with_a_tag(tagged: SampleStore, tmp_path: Path) -> None:
    with served(tagged.url, tmp_path / "cache", tag="v1") as url:
        assert url.endswith("/tag/v1")
        assert cards(httpx.get(f"{url}/").text) == {set_id(n) for n in range(4)}


@pytest.mark.parametrize("view", [1280, 390])
def test_the_pages_of_versions_look_right(
    page: Page, tagged: SampleStore, tmp_path: Path, view: int
) -> None:
    with served(tagged.url, tmp_path / "cache") as url:
        page.size(view)
        page.open(f"{url}/?mode=transfer")
        page.until(lambda: len(_shown(page)) == 9, "the grid does not show three sets")
        page.one(".versions summary").click()
        assert page.sideways() == []
        page.screenshot(tmp_path / f"versions-{view}.png")
        page.one("a[data-version][href^='/tag/v1/']").click()
        page.until(lambda: "/tag/v1/?mode=transfer" in page.driver.current_url, "no tag's page")
        page.until(lambda: len(_shown(page)) == 6, "the tag has two sets of this mode")
        page.open(f"{url}/compare?left=tag:v1&right=now")
        whole = "return [...document.images].filter(i => i.complete && i.naturalWidth).length"
        page.until(lambda: page.run(whole) >= 2, "no clip came")
        assert page.sideways() == []
        page.screenshot(tmp_path / f"compare-{view}.png", whole=True)
        page.one(f"a[href='/tag/v1/set/{set_id(0)}']").click()
        page.until(lambda: page.run("return document.body.dataset.ready") == "yes", "no keypoints")
        assert page.one("#back").get_attribute("href").startswith(f"{url}/tag/v1/")


def _shown(page: Page) -> list[Any]:
    return list(page.run("return [...document.querySelectorAll('.card')].map(c => c.id)"))
