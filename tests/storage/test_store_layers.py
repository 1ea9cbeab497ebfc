"""Sets that are kept as what their videos are drawn from: the same to every reader."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.nn.functional import interpolate

from flawcast.configs.errors import MissingExtraError, SettingsError, ShapeError, StoreError
from flawcast.configs.renderers import RENDERERS
from flawcast.storage import SampleLoader, SampleSet, SampleSetDataset, SampleStore
from flawcast.storage.layered import Held, LayeredArray, Layers
from tests.flows.any_size import ODD, TALL, store_of_sizes
from tests.storage.layered_sets import FUTURE, KEPT, layered_set, layers, pixel_set


@pytest.fixture
def store(store_url: str) -> SampleStore:
    return SampleStore.open(store_url, "a")


def same(one: SampleSet, other: SampleSet) -> None:
    """Compare everything that a reader sees."""
    for name in ("videos", "masks", "valid", "keypoints", "past", "reference", "source", "ssim"):
        first, second = getattr(one, name), getattr(other, name)
        assert (first is None) == (second is None)
        if first is not None:
            assert np.array_equal(np.asarray(first), np.asarray(second)), name
            assert np.asarray(first).dtype == np.asarray(second).dtype
    assert one.indices == other.indices
    assert one.provenance == other.provenance


@pytest.mark.parametrize("masks", [False, True], ids=["plain", "masked"])
def test_a_loaded_set_is_the_one_that_was_committed(store: SampleStore, masks: bool) -> None:
    made = layered_set(1, masks=masks)
    assert store.commit(made)
    assert not store.commit(made)
    loaded = store.load(made.id)
    same(loaded, made)
    same(loaded, pixel_set(1, masks=masks))
    assert loaded.layers is not None
    assert store.verify() == []
    store.compact()
    same(store.load(made.id), made)
    for _ in store.gc(older_than_hours=0):
        pass
    same(SampleStore.open(store.url, snapshot=True).load(made.id), made)
    assert store.verify() == []


KEYS: list[Any] = [0, -1, (1, 2), (1, slice(1, 4)), slice(1, None), (slice(None), 3), ...]
KEYS += [(0, [3, 1, 1]), (2, slice(None, None, -2)), (..., 0), (1, 2, slice(4, 9), 5)]
KEYS += [([2, 0], -1), np.int64(1)]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indices_mean_what_they_mean_for_arrays(key: Any) -> None:
    made, plain = layered_set(2, masks=True), pixel_set(2, masks=True)
    for name in ("videos", "masks", "valid"):
        drawn, whole = getattr(made, name), getattr(plain, name)
        assert (drawn.shape, drawn.dtype, drawn.ndim) == (whole.shape, whole.dtype, whole.ndim)
        assert len(drawn) == len(whole)
        assert drawn.nbytes == whole.nbytes
        assert np.array_equal(drawn[key], whole[key])
    with pytest.raises(IndexError):
        made.videos[KEPT]
    with pytest.raises(IndexError):
        made.videos[0, FUTURE]


def test_one_video_draws_that_video_alone(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = layered_set(3)
    store.commit(made)
    drawn: list[tuple[int, list[int]]] = []
    draw = Layers.draw

    def counted(self: Layers, what: str, rank: int, frames: list[int]) -> np.ndarray:
        drawn.append((rank, list(frames)))
        return draw(self, what, rank, frames)

    monkeypatch.setattr(Layers, "draw", counted)
    videos = store.open_array(made.id, "videos")
    assert drawn == []
    assert isinstance(videos, LayeredArray)
    _ = videos[2, 1:3]
    assert drawn == [(2, [1, 2])]


def test_batches_of_layers_and_of_pixels_are_equal(tmp_path: Path) -> None:
    urls = [tmp_path / "layers", tmp_path / "pixels"]
    for url, make in zip(urls, (layered_set, pixel_set), strict=True):
        opened = SampleStore.open(url, "a")
        for seed in range(3):
            opened.commit(make(seed, masks=True))
    fields = ("video", "mask", "valid", "label", "sample_id")
    layered, plain = (SampleSetDataset(url, fields=fields) for url in urls)
    assert len(layered) == len(plain) == 3 * KEPT
    again = pickle.loads(pickle.dumps(layered))  # noqa: S301
    for index in range(len(plain)):
        one, other, third = layered[index], plain[index], again[index]
        assert one["sample_id"] == other["sample_id"] == third["sample_id"]
        for name in ("video", "mask", "valid"):
            assert one[name].dtype == other[name].dtype
            assert one[name].equal(other[name])
            assert third[name].equal(other[name])


def test_videos_of_several_sizes_need_a_transform_to_meet_in_a_batch(tmp_path: Path) -> None:
    store = store_of_sizes(tmp_path, TALL, ODD)
    items = SampleSetDataset(store)
    assert {tuple(items[index]["video"].shape[2:]) for index in range(len(items))} == {TALL, ODD}
    with pytest.raises(SettingsError, match=r"expected videos of one size, got 2 .* of 96x170"):
        SampleLoader(SampleSetDataset(store), 4)
    assert len(list(SampleLoader(SampleSetDataset(store), 1))) == 2 * KEPT
    one = SampleSetDataset(store, where=f"height = {ODD[0]} and width = {ODD[1]}")
    (batch,) = SampleLoader(one, KEPT)
    assert batch["video"].shape[3:] == ODD
    small = SampleSetDataset(store, transform=lambda video: interpolate(video, (32, 48)))
    (batch,) = SampleLoader(small, 2 * KEPT)
    assert batch["video"].shape[3:] == (32, 48)


def test_a_further_video_costs_kilobytes(tmp_path: Path) -> None:
    """Keypoints, a seed, and a few pixels that tell whether it is drawn as it was."""

    def size(kept: int) -> int:
        made, url = layered_set(0, size=(128, 192)), tmp_path / str(kept)
        drawn = made.layers
        assert drawn is not None
        fewer = replace(drawn, keypoints=drawn.keypoints[:kept], seeds=drawn.seeds[:kept])
        SampleStore.open(url, "a").commit(
            replace(
                made,
                videos=fewer.videos(),
                indices=made.indices[:kept],
                ssim=made.ssim[:kept],
                diversity=made.diversity[:kept],
                provenance=replace(made.provenance, keep=kept),
            )
        )
        return sum(path.stat().st_size for path in url.rglob("*") if path.is_file())

    assert size(3) - size(2) < 20_000  # pixels: 5 frames of 74 kB


@pytest.mark.parametrize("name", ["layers", "drawn_keypoints", "noise_seeds", "probe"])
def test_damage_is_named(tmp_path: Path, name: str) -> None:
    store = SampleStore.open(tmp_path, "a")
    made = layered_set(4)
    store.commit(made)
    (chunk,) = [path for path in tmp_path.glob(f"arrays/*/{name}/*") if path.name != "zarr.json"]
    chunk.write_bytes(chunk.read_bytes()[:-8] + b"damaged!")
    problems = store.verify()
    assert [problem.set_id for problem in problems] == [made.id]
    assert name in problems[0].problem
    if name != "probe":
        with pytest.raises(StoreError, match=name):
            store.load(made.id)


def test_other_pixels_than_the_writers_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SampleStore.open(tmp_path, "a")
    made = layered_set(5)
    store.commit(made)
    assert store.verify() == []
    draw = Layers.draw
    monkeypatch.setattr(Layers, "draw", lambda *args: draw(*args) ^ 1)  # another rounding
    assert store.verify() != []  # every pixel is off: no rounding of another machine
    monkeypatch.setattr(Layers, "draw", lambda *args: np.minimum(draw(*args), 240) + 1)
    (problem,) = store.verify()
    assert "gray levels on average" in problem.problem


def test_without_what_draws_stored_bytes_are_verified_and_reading_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SampleStore.open(tmp_path, "a")
    made = layered_set(6)
    store.commit(made)

    def missing(name: str) -> Any:
        raise ModuleNotFoundError("No module named 'cv2'", name="cv2")

    monkeypatch.setattr(type(RENDERERS), "__getitem__", lambda self, name: missing(name))
    assert store.verify() == []
    with pytest.raises(MissingExtraError, match=r"cv2.*pip install 'flawcast\[torch\]'"):
        store.load(made.id).videos[0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"seeds": np.array([-2, 0, 0])}, StoreError, "seeds of -1 or more"),
        ({"seeds": np.array([1, 2])}, ShapeError, "layers.seeds"),
        ({"keypoints": np.zeros((KEPT, FUTURE, 60))}, StoreError, "float32"),
        ({"keypoints": np.zeros((KEPT, FUTURE, 12), np.float32)}, ShapeError, "layers.keypoints"),
        ({"keypoints": np.full((KEPT, FUTURE, 60), np.nan, np.float32)}, StoreError, "finite"),
        ({"source": {"plate": "text"}}, StoreError, "array of numbers"),
        ({"source": {"plate": np.zeros((64, 96, 3), np.uint8)}}, StoreError, "draws them from"),
        ({"size": (60, 96)}, ShapeError, "reference"),
    ],
    ids=["seed", "seeds", "type", "length", "nan", "text", "missing", "size"],
)
def test_layers_that_do_not_fit_are_refused(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    store = SampleStore.open(tmp_path, "a")
    wrong = replace(layers(0), **change)
    with pytest.raises(error, match=message):
        store.commit(layered_set(0, videos=wrong.videos()))
    assert store.set_ids() == []


def test_masks_of_other_layers_are_refused(tmp_path: Path) -> None:
    made = layered_set(0, masks=True)
    other = layers(0, masks=True)
    with pytest.raises(StoreError, match="of the layers that draw the videos"):
        SampleStore.open(tmp_path, "a").commit(replace(made, masks=other.masks()))


def test_only_so_many_sources_are_held_in_memory() -> None:
    one = layers(0)
    held, loaded = Held(most=2 * one.nbytes), []

    def load() -> Layers:
        loaded.append(1)
        return layers(len(loaded))

    for key in "abab":
        held.get(key, load)
    assert len(loaded) == 2
    held.get("c", load)
    held.get("b", load)
    assert len(loaded) == 3
    held.get("a", load)
    assert len(loaded) == 4
