"""A small store to browse, its pages served in a thread of this process, and who asks for them."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from flawcast.flows.browse.guard import FORM_HEADER
from flawcast.flows.browse.serve import Address, Server
from flawcast.storage import SampleStore
from tests.storage.examples import sample_set

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"


def visible_set(seed: int, **changes: Any) -> Any:
    """A set with K = 3 of N = 6 futures whose squares drift apart, masks, and 2 keypoints."""
    rng = np.random.default_rng(seed)
    drift = rng.uniform(-2, 2, (6, 2))
    steps = np.arange(1, 5)
    centres = 16 + drift[:, None] * steps[None, :, None]  # (N, F, 2)
    videos = np.full((3, 4, 32, 32, 3), (40 + 40 * (seed % 4), 90, 140), np.uint8)
    masks = np.zeros((3, 4, 32, 32), np.uint8)
    for rank in range(3):
        for frame, (x, y) in enumerate(centres[rank].round().astype(int)):
            videos[rank, frame, y - 4 : y + 4, x - 4 : x + 4] = (240, 200, 80)
            masks[rank, frame, y - 4 : y + 4, x - 4 : x + 4] = 128
            masks[rank, frame, y - 2 : y + 2, x - 2 : x + 2] = 255
    keypoints = np.zeros((6, 4, 12), np.float32)  # FOMM, K = 2: x, y and a matrix for each
    keypoints[..., 0:2] = (centres - 15.5) / 15.5
    keypoints[..., 6:8] = keypoints[..., 0:2] + 0.1
    still = np.full((4, 32, 32, 3), (40 + 40 * (seed % 4), 90, 140), np.uint8)
    made = {
        "videos": videos,
        "indices": [0, 1, 2],
        "mae": np.sort(rng.uniform(0.01, 0.09, 6)).astype(np.float32),
        "keypoints": keypoints,
        "past": still[:2],
        "reference": still,
        "source": still[0],
        "masks": masks,
        "valid": np.ones((3, 4, 32, 32), np.bool_),
        "settings": json.dumps({"generate": {}, "masks": {"kind": "drawn", "id": "m"}}),
        "run_id": f"run-{seed % 2}",
        "mode": ("reconstruction", "transfer")[seed % 2],
    }
    return sample_set(seed, **{**made, **changes})


def visible_store(root: Path, sets: int = 4) -> SampleStore:
    """A store with such sets."""
    store = SampleStore.open(root, "a")
    for seed in range(sets):
        store.commit(visible_set(seed))
    return store


@contextmanager
def served(
    store: str, cache: Path, host: str = "127.0.0.1", tag: str | None = None
) -> Iterator[str]:
    """The URL of a store's pages while they are served."""
    ready = threading.Event()
    server = Server(store, Address(host, 0), "Ada", lambda url: ready.set(), cache, tag)
    thread = threading.Thread(target=server.run_until_told)
    thread.start()
    try:
        assert ready.wait(60)
        yield server.url.rstrip("/")
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def visit(store: SampleStore, cache: Path, host: str = "127.0.0.1") -> Iterator[httpx.Client]:
    """Somebody who asks for pages while they are served; knows the address, token included."""
    with served(store.url, cache, host) as url, httpx.Client(timeout=60) as client:
        client.base_url = httpx.URL(url).copy_with(host="127.0.0.1", query=None)
        yield client


def form(client: httpx.Client) -> dict[str, str]:
    """What our own pages send with a post: it stands in them."""
    found = re.search(r'<meta name="form" content="([^"]+)">', client.get("/").text)
    assert found
    return {FORM_HEADER: found[1]}


def first_sample(store: SampleStore) -> str:
    """The id of the first sample of a store."""
    return str(store.query(rows="samples")["sample_id"][0])


def files(root: Path) -> dict[str, bytes]:
    """All files below a folder."""
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}
