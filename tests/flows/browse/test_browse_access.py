"""Who is let in to the pages, what is refused, and how hostile text stays text."""

import json
from pathlib import Path

import httpx
import pytest

from flawcast.flows.browse.guard import FORM_HEADER
from flawcast.storage import SampleStore
from tests.flows.browse.browsing import (
    HOSTILE,
    first_sample,
    form,
    served,
    visible_set,
    visit,
)
from tests.storage.examples import set_id

PAGE = {"Accept": "text/html"}


@pytest.mark.parametrize(
    "address",
    [
        "/set/set-00000000000000ff",
        "/set/..%2f..%2fetc%2fpasswd",
        "/set/set-0000000000000001'%20or%20'1'='1",
        "/set/%2e%2e/keypoints",
        f"/set/{set_id(1)}/settings.webp",
        f"/set/{set_id(1)}/videos.webp?rank=99",
        f"/set/{set_id(1)}/videos.webp?rank=-1",
        "/clip/..%2f..%2fstore.json.webp",
        "/clip/set-0000000000000001-999.webp",
        "/static/..%2f..%2f..%2fpyproject.toml",
        "/static/../app.py",
        "/?mae_to=nan",
        "/?page=0",
        "/?sort=rm%20-rf",
        "/docs",
        "/openapi.json",
    ],
)
def test_bad_addresses_are_harmless(reader: httpx.Client, address: str) -> None:
    for headers in ({}, PAGE):
        answer = reader.get(address, headers=headers)
        assert answer.status_code in (400, 404), address
        assert "Traceback" not in answer.text
        assert "[project]" not in answer.text
        assert "flawcast-store" not in answer.text


def test_markup_in_labels_and_names_stays_text(tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    store.commit(visible_set(1, label=HOSTILE, clip_name=HOSTILE, run_id=HOSTILE))
    addresses = ("/", "/cards", f"/set/{set_id(1)}", f"/?where={HOSTILE}", f"/?label={HOSTILE}")
    with visit(store, tmp_path / "cache") as client:
        for address in (*addresses, f"/set/{HOSTILE}", f"/{HOSTILE}"):
            answer = client.get(address, headers=PAGE)
            assert "<img src=x" not in answer.text, address
            assert "<script>document" not in answer.text, address
            assert "script-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "a:b:c", ""]
)
def test_other_names_of_this_machine_are_refused(reader: httpx.Client, host: str) -> None:
    answer = reader.get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.text.count("\n") == 1


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:9000", "[::1]:8765"])
def test_names_of_loopback_are_answered(reader: httpx.Client, host: str) -> None:
    assert reader.get("/", headers={"Host": host}).status_code == 200


def test_posts_from_elsewhere_are_refused(client: httpx.Client, store: SampleStore) -> None:
    mark = {"sample_id": first_sample(store), "review": "rejected"}
    for headers in (
        {},
        {FORM_HEADER: "guessed"},
        {**form(client), "Origin": "http://evil.example"},
    ):
        assert client.post("/review", json=mark, headers=headers).status_code == 403
    plain = {**form(client), "Content-Type": "text/plain"}  # what a foreign form could send
    assert client.post("/review", content=json.dumps(mark), headers=plain).status_code == 400
    assert store.query(rows="reviews").num_rows == 0
    ours = {**form(client), "Origin": str(client.base_url).rstrip("/")}
    assert client.post("/review", json=mark, headers=ours).status_code == 200
    for wrong in (
        {**mark, "review": "x"},
        {**mark, "sample_id": "../../x"},
        {"review": "rejected"},
    ):
        answer = client.post("/review", json=wrong, headers=ours)
        assert answer.status_code == 400
        assert answer.json()["problem"]


def test_others_need_the_token(store: SampleStore, tmp_path: Path) -> None:
    with (
        served(store.url, tmp_path / "cache", "0.0.0.0") as url,  # noqa: S104
        httpx.Client(base_url=f"http://127.0.0.1:{httpx.URL(url).port}", timeout=60) as client,
    ):
        token = httpx.URL(url).params["token"]
        clip = f"/clip/{first_sample(store)}.webp"
        for address in ("/", "/?token=guess", "/?token=%C3%A9", "/static/grid.js", clip):
            answer = client.get(address, headers={"Host": "10.1.2.3:8765"})
            assert answer.status_code == 401
            assert "token" in answer.text
            assert answer.text.count("\n") == 1
        params = {"token": token, "label": "jam"}
        assert client.get("/", params=params, headers={"Host": "evil.example"}).status_code == 421
        welcome = client.get("/", params=params)
        assert (welcome.status_code, welcome.headers["location"]) == (303, "/?label=jam")
        cookie = welcome.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert client.get("/").status_code == 200, "the cookie is enough from then on"
        away = client.get(f"{client.base_url}/evil.example/", params={"token": token})
        assert away.headers["location"].startswith("/evil.example"), "on this server, not there"
