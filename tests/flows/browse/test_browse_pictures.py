"""What pages show is made once, follows the store, and is never written to it."""

import io
import os
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from PIL import Image

from flawcast.flows.browse.pictures import PINK, prune
from flawcast.storage import SampleStore
from tests.flows.browse.browsing import (
    files,
    first_sample,
    form,
    visible_set,
    visit,
)
from tests.storage.examples import sample_set, set_id


def test_looking_writes_nothing_to_the_store(
    client: httpx.Client, store: SampleStore, tmp_path: Path
) -> None:
    before = files(tmp_path / "store")
    sample = first_sample(store)
    pages = ["/", "/?label=jam&sort=mae&where=rank=0", "/cards?page=9", f"/set/{set_id(1)}"]
    pictures = [f"/clip/{sample}.webp", f"/clip/{sample}.webp?still=true"]
    sheets = [
        f"/set/{set_id(1)}/{name}.webp" for name in ("videos", "outlines", "past", "reference")
    ]
    for address in (*pages, *pictures, *sheets, f"/set/{set_id(1)}/keypoints", "/static/grid.js"):
        assert client.get(address).status_code == 200, address
    assert files(tmp_path / "store") == before
    assert len(files(tmp_path / "cache")) == 2


def test_outlines_lie_around_the_defect(client: httpx.Client, store: SampleStore) -> None:
    defect = np.asarray(store.load(set_id(1)).masks[0, 1]) == 255  # type: ignore[index]
    around = cv2.dilate(defect.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    answer = client.get(f"/set/{set_id(1)}/outlines/1.webp?rank=0")
    with Image.open(io.BytesIO(answer.content)) as picture:
        frame = np.asarray(picture.convert("RGBA"))
    assert (frame[defect, 3] == 0).all(), "nothing of the defect is covered"
    assert (frame[around & ~defect] == (*PINK, 255)).all()
    answer = client.get(f"/set/{set_id(1)}/outlines.webp?rank=0")
    with Image.open(io.BytesIO(answer.content)) as picture:
        sheet = np.asarray(picture.convert("RGBA"))
    assert np.array_equal(sheet[:32, 32:64], frame), "a sheet has the same, frame by frame"
    assert client.get(f"/set/{set_id(1)}/outlines/99.webp").status_code == 404


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
