"""Procedural defects do what their controls say, whatever the type."""

import cv2
import numpy as np
import pytest
from scipy.stats import spearmanr

from flawcast.configs.errors import DefectError, SettingsError
from flawcast.generators.defects.contrast import contrast_of, contrast_to_noise
from flawcast.generators.defects.layer import DefectLayer, laid_over, smallest_alpha
from flawcast.generators.defects.making import Order, make_defect
from flawcast.generators.defects.placement import Wish
from flawcast.generators.defects.reasons import RefusedError
from flawcast.generators.defects.sketch import DEFECT_TYPES, Grid
from tests.generators.defects.hosts import smooth_host

TYPES = DEFECT_TYPES.names()
GRADED = [name for name in TYPES if DEFECT_TYPES[name].contrasts is not None]
INSIDE = [name for name in TYPES if "inside" in DEFECT_TYPES[name].places]
every_type = pytest.mark.parametrize("kind", TYPES)


def made(kind: str, seed: int = 3, severity: float = 0.5, **wish: object) -> DefectLayer:
    low, high = DEFECT_TYPES[kind].sizes
    wish.setdefault("size", (low + high) / 2)
    return make_defect(smooth_host(), Order(kind, Wish(**wish), severity, seed))  # type: ignore[arg-type]


def test_the_types_are_there() -> None:
    wanted = {"scratch", "crack", "stain", "pit", "chip", "dent", "missing_piece", "discoloration"}
    assert wanted <= set(TYPES)


@every_type
def test_a_sketch_stays_in_its_grid(kind: str) -> None:
    grid = Grid.for_length(60)
    for seed in range(5):
        sketch = DEFECT_TYPES[kind]().sketch(np.random.default_rng(seed), grid)
        assert sketch.cover.shape == (grid.nodes, grid.nodes)
        assert sketch.tone.shape == (grid.nodes, grid.nodes, 3)
        for field in (sketch.cover, sketch.opaque, sketch.hole, sketch.onset):
            assert field.dtype == np.float32
            assert 0 <= field.min() <= field.max() <= 1
        assert (sketch.cover > 0.5).sum() > 20
        changes = np.abs(sketch.tone).max(-1) + np.abs(sketch.relief)
        assert changes[:, [0, -1]].max() < 0.01 or "edge" in DEFECT_TYPES[kind].places


@every_type
def test_the_same_seed_gives_the_same_bytes(kind: str) -> None:
    first, again, other = made(kind), made(kind), made(kind, seed=4)
    assert first.pixels.tobytes() == again.pixels.tobytes()
    assert first.onset.tobytes() == again.onset.tobytes()
    assert (first.box, first.contrast, first.place) == (again.box, again.contrast, again.place)
    assert first.pixels.tobytes() != other.pixels.tobytes()


@every_type
def test_only_the_part_changes(kind: str) -> None:
    host, layer = smooth_host(), made(kind)
    after = layer.over(host.picture, host.background)
    changed = np.abs(after.astype(int) - host.picture).max(-1) > 3
    assert layer.mask().any()
    assert not (layer.mask() & ~host.part).any()
    beside = cv2.dilate(host.part.astype(np.uint8), np.ones((7, 7), np.uint8)) == 0
    assert not (changed & beside).any()
    far = cv2.dilate(layer.mask().astype(np.uint8), np.ones((25, 25), np.uint8)) == 0
    assert not (changed & far).any()


@pytest.mark.parametrize("kind", GRADED)
def test_severity_is_measured_contrast(kind: str) -> None:
    host = smooth_host()
    severities = np.linspace(0, 0.9, 6)
    layers = [made(kind, severity=float(value)) for value in severities]
    contrasts = DEFECT_TYPES[kind].contrasts
    assert contrasts is not None
    measured = [
        contrast_to_noise(
            host.picture, one.over(host.picture, host.background), one.mask(), host.part
        )
        for one in layers
    ]
    assert spearmanr(severities, measured)[0] > 0.99
    assert measured == pytest.approx([one.contrast for one in layers], rel=0.1)
    assert measured[2] == pytest.approx(contrast_of(float(severities[2]), contrasts), rel=0.15)


@pytest.mark.parametrize("kind", INSIDE)
@pytest.mark.parametrize("size", [0.2, 0.4])
def test_size_is_the_length_of_the_mask(kind: str, size: float) -> None:
    host, layer = smooth_host(), made(kind, size=size, where="inside")
    assert layer.length == pytest.approx(size)
    pixels = np.argwhere(layer.mask())[:, ::-1].astype(np.float32)
    measured = (max(cv2.minAreaRect(pixels)[1]) + 1) / host.extent
    assert measured == pytest.approx(size, rel=0.15, abs=0.02)


@pytest.mark.parametrize("kind", ["scratch", "crack"])
@pytest.mark.parametrize("angle", [-60.0, 0.0, 35.0, 90.0])
def test_angle_is_that_to_the_part(kind: str, angle: float) -> None:
    host, layer = smooth_host(), made(kind, size=0.35, angle=angle)
    pixels = np.argwhere(layer.mask())[:, ::-1].astype(np.float64)
    _, _, directions = np.linalg.svd(pixels - pixels.mean(0), full_matrices=False)
    measured = np.degrees(np.arctan2(directions[0, 1], directions[0, 0])) - host.angle
    assert (measured - angle + 90) % 180 - 90 == pytest.approx(0, abs=8)
    assert layer.angle == pytest.approx(angle)


@pytest.mark.parametrize("kind", INSIDE)
def test_place_is_in_the_parts_terms(kind: str) -> None:
    layer = made(kind, size=0.15, at=(0.2, -0.1))
    assert layer.place == pytest.approx((0.2, -0.1), abs=0.04)


def test_chips_lie_at_the_edge() -> None:
    host = smooth_host()
    depth = cv2.distanceTransform(host.part.astype(np.uint8), cv2.DIST_L2, 5)
    for kind in ("chip", "missing_piece"):
        for seed in range(4):
            assert depth[made(kind, seed).mask()].min() < 2


def test_a_region_is_kept() -> None:
    host = smooth_host()
    region = np.zeros(host.part.shape, bool)
    region[:, :64] = True
    for seed in range(5):
        mask = made("stain", seed, size=0.15, region=region).mask()
        assert (mask & region).sum() > 0.5 * mask.sum()
    edge = made("chip", 1, region=region).mask()
    assert np.argwhere(edge)[:, 1].mean() < 70


@every_type
def test_growth_runs_from_nothing_to_the_whole(kind: str) -> None:
    layer = made(kind)
    areas = []
    before = np.zeros_like(layer.cover, bool)
    for progress in np.linspace(0, 1, 7):
        pixels, mask = layer.at(float(progress))
        assert not (before & ~mask).any()
        before = mask
        areas.append(int(mask.sum()))
        assert np.all(pixels[..., :3] <= pixels[..., 3:])
    assert areas[0] == 0
    assert not layer.at(0)[0].any()
    assert 0 < areas[2] < areas[-1] == (layer.cover > 127).sum()
    assert np.array_equal(layer.at(1)[0], layer.pixels)


def test_a_layer_of_least_alpha_is_exact() -> None:
    rng = np.random.default_rng(0)
    before = rng.integers(0, 256, (20, 20, 3)).astype(np.uint8)
    after = rng.uniform(0, 255, (20, 20, 3)).astype(np.float32)
    after[:5] = before[:5]
    layer = smallest_alpha(before, after)
    assert not layer[:5].any()
    assert np.abs(laid_over(before, layer) - after).max() <= 1.6
    darker = smallest_alpha(before, before * np.float32(0.5))
    assert darker[..., 3].max() <= 129
    assert darker[..., :3].max() <= 1


def test_a_hole_shows_what_is_behind() -> None:
    host, layer = smooth_host(), made("missing_piece")
    assert host.background is not None
    after = layer.over(host.picture, host.background)
    deep = cv2.erode(layer.mask().astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert after[deep].mean() < 75
    baked = layer.baked(host.picture, host.background)
    assert not baked.hole.any()
    again = baked.over(host.picture)
    assert np.abs(again.astype(int) - after)[layer.mask()].mean() < 1.5


def test_bad_wishes_are_refused_in_one_line() -> None:
    host = smooth_host()
    nowhere = np.zeros(host.part.shape, bool)
    nowhere[:3, :3] = True
    cases: list[tuple[dict[str, object], str]] = [
        ({"size": 1.4}, "no larger than the part, got 1.40"),
        ({"size": 0.98}, "one of 0.98 of the part's extent fits nowhere; lower the size"),
        ({"size": 0}, "a share above 0, got 0"),
        ({"size": 0.1, "region": nowhere}, "a region on the part, it covers none"),
        ({"size": 0.1, "region": np.ones((5, 6), bool)}, "a mask of 128x128 as the frame, got 6x5"),
        ({"size": 0.1, "at": (0.9, 0.9)}, "a place on the part, 0.90,0.90 is beside it"),
        ({"size": 0.1, "where": "edge"}, "expected inside for this type, got edge"),
    ]
    for wish, message in cases:
        with pytest.raises(DefectError, match=message) as caught:
            made("stain", **wish)
        assert "\n" not in str(caught.value)
    with pytest.raises(DefectError, match="severity: expected 0 to 1, got 2"):
        made("stain", severity=2)
    with pytest.raises(SettingsError, match="defect type: expected one of"):
        make_defect(host, Order("rot", Wish(0.2), 0.5, 0))
    with pytest.raises(RefusedError) as refused:
        made("stain", size=0.98)
    assert refused.value.reason == "too_large"
