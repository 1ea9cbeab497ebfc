"""The pages as a program sees them: who is let in, what is refused, and what is never written."""

import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flawcast.flows.browse.filters import SORTS, Filter
from flawcast.flows.browse.guard import FORM_HEADER
from flawcast.flows.browse.pictures import prune
from flawcast.flows.browse.snippets import lines_for_samples, lines_for_set
from flawcast.storage import SampleSetDataset, SampleStore
from flawcast.storage.sample_cache import CachedSamples
from tests.flows.browse.browsing import HOSTILE, files, served, visible_set, visible_store
from tests.flows.commands.running import mistake, run
from tests.paths import ROOT
from tests.storage.examples import sample_set, set_id

PAGE = {"Accept": "text/html"}


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    return visible_store(tmp_path / "store")


@contextmanager
def visit(store: SampleStore, cache: Path, host: str = "127.0.0.1") -> Iterator[httpx.Client]:
    """Somebody who asks for pages while they are served; knows the address, token included."""
    with served(store.url, cache, host) as url, httpx.Client(timeout=60) as client:
        client.base_url = httpx.URL(url).copy_with(host="127.0.0.1", query=None)
        yield client


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Somebody who only looks."""
    folder = tmp_path_factory.mktemp("looked-at")
    with visit(visible_store(folder / "store"), folder / "cache") as client:
        yield client


@pytest.fixture
def client(store: SampleStore, tmp_path: Path) -> Iterator[httpx.Client]:
    with visit(store, tmp_path / "cache") as client:
        yield client


def form(client: httpx.Client) -> dict[str, str]:
    """What our own pages send with a post: it stands in them."""
    found = re.search(r'<meta name="form" content="([^"]+)">', client.get("/").text)
    assert found
    return {FORM_HEADER: found[1]}


def first_sample(store: SampleStore) -> str:
    return str(store.query(rows="samples")["sample_id"][0])


def test_looking_writes_nothing_to_the_store(
    client: httpx.Client, store: SampleStore, tmp_path: Path
) -> None:
    before = files(tmp_path / "store")
    sample = first_sample(store)
    pages = ["/", "/?label=jam&sort=mae&where=rank=0", "/cards?page=9", f"/set/{set_id(1)}"]
    pictures = [f"/clip/{sample}.webp", f"/clip/{sample}.webp?still=true"]
    sheets = [f"/set/{set_id(1)}/{name}.webp" for name in ("videos", "masks", "past", "reference")]
    for address in (*pages, *pictures, *sheets, f"/set/{set_id(1)}/keypoints", "/static/grid.js"):
        assert client.get(address).status_code == 200, address
    assert files(tmp_path / "store") == before
    assert len(files(tmp_path / "cache")) == 2


def test_a_review_is_all_that_is_written(
    client: httpx.Client, store: SampleStore, tmp_path: Path
) -> None:
    before, sample = files(tmp_path / "store"), first_sample(store)
    mark = {"sample_id": sample, "review": "rejected", "note": "blurred"}
    assert client.post("/review", json=mark, headers=form(client)).status_code == 200
    after = files(tmp_path / "store")
    (new,) = after.keys() - before.keys()
    assert new.startswith(f"reviews/{sample}.")
    assert {name: after[name] for name in before} == before
    (row,) = store.query(rows="reviews").to_pylist()
    assert (row["review"], row["note"], row["reviewer"]) == ("rejected", "blurred", "Ada")
    assert "11 of 12 samples" in client.get("/?review=none").text


def test_clips_are_made_once_and_loop(
    client: httpx.Client, store: SampleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/clip/{first_sample(store)}.webp"
    answer = client.get(address)
    with Image.open(io.BytesIO(answer.content)) as clip:
        clip.load()
        assert (clip.format, clip.n_frames, clip.info["loop"]) == ("WEBP", 4, 0)  # type: ignore[attr-defined]
        assert clip.info["duration"] == 80  # milliseconds at 12.5 frames a second
    monkeypatch.setattr(SampleStore, "open_array", lambda *_: pytest.fail("was made twice"))
    assert client.get(address).content == answer.content
    (tmp_path / "cache" / "ab").mkdir()
    (tmp_path / "cache" / "ab" / "old.webp").write_bytes(b"x" * 1000)
    os.utime(tmp_path / "cache" / "ab" / "old.webp", (0, 0))
    prune(tmp_path / "cache", most=len(answer.content))
    assert len(files(tmp_path / "cache")) == 1, "the oldest go first"


def test_sheets_hold_every_frame_bit_for_bit(client: httpx.Client, store: SampleStore) -> None:
    answer = client.get(f"/set/{set_id(1)}/videos.webp?rank=2")
    with Image.open(io.BytesIO(answer.content)) as picture:
        sheet = np.asarray(picture.convert("RGB"))
    wanted = store.load(set_id(1)).videos[2]
    tiles = sheet.reshape(2, 32, 2, 32, 3).transpose(0, 2, 1, 3, 4).reshape(4, 32, 32, 3)
    assert np.array_equal(tiles, wanted)
    keypoints = np.frombuffer(client.get(f"/set/{set_id(1)}/keypoints").content, "<f4")
    assert np.array_equal(keypoints.reshape(6, 4, 12), store.load(set_id(1)).keypoints)


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


def test_a_wrong_condition_is_told_on_the_page(reader: httpx.Client) -> None:
    for where in (
        "adp > 1",
        "label = ",
        "1=1; drop table samples",
        "x in (select * from glob('/*'))",
    ):
        answer = reader.get("/cards", params={"where": where})
        assert answer.status_code == 200
        assert 'class="problem"' in answer.text, where


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


def test_new_sets_and_marks_show_up(client: httpx.Client, store: SampleStore) -> None:
    assert "12 samples" in client.get("/cards").text
    store.commit(visible_set(9))
    assert "15 samples" in client.get("/cards").text
    assert client.get(f"/set/{set_id(9)}").status_code == 200


def test_an_empty_store_says_so(tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    with visit(store, tmp_path / "cache") as client:
        assert "There are no samples in this store yet" in client.get("/").text
        store.commit(visible_set(1))
        assert "3 samples" in client.get("/").text


def test_backbones_without_tracks_say_so(tmp_path: Path) -> None:
    store = SampleStore.open(tmp_path / "store", "a")
    pose = np.zeros((6, 4, 12), np.float32)
    store.commit(visible_set(1, backbone="vid2vid", keypoints=pose))
    store.commit(sample_set(2))  # of a backbone whose vectors nobody knows
    with visit(store, tmp_path / "cache") as client:
        page = client.get(f"/set/{set_id(1)}").text
        assert "there are no tracks" in page
        assert "yaw</option>" in page
        assert "value 5</option>" in client.get(f"/set/{set_id(2)}").text


TEXTS = st.text(max_size=5) | st.sampled_from(["jam", "o'ring", "run-0", "accepted", "none"])
BOUNDS = st.none() | st.floats(0, 1)


@given(
    lists=st.tuples(*[st.lists(TEXTS, max_size=2)] * 5),
    bounds=st.tuples(*[BOUNDS] * 4),
    sort=st.sampled_from(sorted(SORTS)),
)
def test_the_address_keeps_what_is_chosen(
    lists: tuple[list[str], ...], bounds: tuple[float | None, ...], sort: str
) -> None:
    names = ("label", "mode", "forecaster", "run", "review")
    ends = ("diversity_from", "diversity_to", "mae_from", "mae_to")
    values = {**dict(zip(names, lists, strict=True)), **dict(zip(ends, bounds, strict=True))}
    chosen = Filter(**values, sort=sort)
    told = parse_qs(chosen.address().lstrip("?"), keep_blank_values=True)
    again = {name: texts if name in names else texts[0] for name, texts in told.items()}
    assert Filter(**again) == chosen


def test_lines_to_copy_ask_for_what_is_shown(store: SampleStore, tmp_path: Path) -> None:
    store.commit(visible_set(5, label='o\'ring "3" $HOME'))
    held = CachedSamples(store.url)
    store.review(first_sample(store), "rejected")
    for chosen in (
        Filter(),
        Filter(label=["jam", 'o\'ring "3" $HOME'], mae_from=0.02),
        Filter(review=["none", "accepted"], diversity_to=0.5, run=["run-1"], where="rank < 2"),
    ):
        wanted = held.query(chosen.sql)["sample_id"].to_pylist()
        query, export, python = lines_for_samples(store.url, chosen.sql, chosen.order_by)
        words = subprocess.run(
            ["bash", "-c", f"printf '%s\\0' {query.text}"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("\0")[1:-1]
        rows = json.loads(run(*words, "--json").stdout)
        assert sorted(row["sample_id"] for row in rows) == wanted
        values: dict[str, object] = {}
        exec(python.text, values)  # noqa: S102 - our own line
        dataset = values["dataset"]
        assert isinstance(dataset, SampleSetDataset)
        assert [row["sample_id"] for row in dataset.rows] == wanted
        assert "--where" in export.text or chosen.sql is None
    values = {}
    exec(lines_for_set(store.url, set_id(1))[2].text, values)  # noqa: S102
    assert values["futures"].id == set_id(1)  # type: ignore[attr-defined]


def test_commands_of_the_document_run(store: SampleStore) -> None:
    text = (ROOT / "docs" / "browsing.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert [command[1] for command in commands] == ["browse", "query", "query"]
    for command in commands[1:]:  # the first is run until Ctrl-C below
        words = [store.url if word == "STORE" else word for word in command[1:]]
        assert run(*words).returncode == 0


def test_mistakes_are_one_line(store: SampleStore, tmp_path: Path) -> None:
    assert "expected a store, found nothing" in mistake("browse", tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = mistake("browse", store.url, "--port", port, "--cache", tmp_path / "cache")
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in said
    assert "cannot listen on 203.0.113.1" in mistake("browse", store.url, "--host", "203.0.113.1")


def test_ctrl_c_ends_it_cleanly(store: SampleStore, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from flawcast.flows.cli import main; main()",
        "browse",
        store.url,
    ]
    options = ["--port", "0", "--json", "--cache", str(tmp_path / "cache")]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        url = json.loads(process.stdout.readline())["url"]
        assert url.startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == (
            "flawcast: interrupted; the pages are closed, reviews are in the store\n"
        )
