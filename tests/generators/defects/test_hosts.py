"""What is measured of a part before a defect is put on it."""

import cv2
import numpy as np
import pytest

from flawcast.configs.errors import DefectError
from flawcast.generators.defects.host import estimate_blur, estimate_grain, measure_host
from flawcast.generators.defects.membrane import membrane
from tests.generators.defects.hosts import smooth_host


def test_a_part_is_measured() -> None:
    host = smooth_host()
    assert host.angle == pytest.approx(20, abs=2)
    assert host.extent == pytest.approx(0.75 * 128, abs=3)
    assert host.in_part(host.in_picture((0.2, -0.1))) == pytest.approx((0.2, -0.1))
    assert host.in_part(host.centre) == pytest.approx((0, 0))


@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_grain_is_measured(sigma: float) -> None:
    rng = np.random.default_rng(0)
    picture = (120 + rng.normal(0, sigma, (64, 64, 3))).round().astype(np.uint8)
    assert estimate_grain(picture, np.ones((64, 64), bool)) == pytest.approx(sigma, rel=0.25)


@pytest.mark.parametrize("sigma", [0.8, 1.6])
def test_blur_is_measured(sigma: float) -> None:
    step = np.where(np.arange(64) < 32, 60, 190)[None].repeat(64, 0).astype(np.float32)
    blurred = cv2.GaussianBlur(step, (0, 0), sigma)
    assert estimate_blur(blurred, np.ones((64, 64), bool)) == pytest.approx(sigma, rel=0.3)


@pytest.mark.parametrize("angle", [0, 90, 200])
def test_light_is_where_rims_are_light(angle: float) -> None:
    lamp = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    rows, columns = np.mgrid[:96, :96] - 47.5
    way = np.hypot(rows, columns)
    part = way < 40
    bevel = np.clip((way - 34) / 6, 0, 1) * part
    toward = (columns * lamp[0] + rows * lamp[1]) / np.maximum(way, 1)
    picture = np.repeat((130 + 40 * bevel * toward)[..., None], 3, 2).astype(np.uint8)
    assert measure_host(picture, part).light @ lamp > 0.95


def test_bad_parts_are_refused_in_one_line() -> None:
    picture = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(DefectError, match="at least 64 pixels of a part, got 0; name a frame"):
        measure_host(picture, np.zeros((32, 32), bool))
    with pytest.raises(
        DefectError, match="part mask: expected the picture's size 32x32, got 20x30"
    ):
        measure_host(picture, np.ones((30, 20), bool))
    with pytest.raises(DefectError, match="background: expected the picture's size"):
        measure_host(picture, np.ones((32, 32), bool), np.zeros((8, 8, 3), np.uint8))


def test_a_membrane_continues_a_slope() -> None:
    slope = np.mgrid[:40, :40].sum(0)[..., None].astype(np.float32) * [1, 2, 3]
    known = np.ones((40, 40), bool)
    known[12:28, 10:30] = False
    filled = membrane(np.where(known[..., None], slope, 0).astype(np.float32), known)
    assert np.array_equal(filled[known], slope[known].astype(np.float32))
    assert np.abs(filled - slope)[~known].max() < 4
