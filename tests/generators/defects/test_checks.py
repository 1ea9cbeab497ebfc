"""Checks, ledger, placebos and cut-outs."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from flawcast.configs.errors import SettingsError
from flawcast.generators.defects.checks import (
    KnownDefect,
    check_new,
    check_on_part,
    check_steady,
    check_visible,
    frame_contrasts,
)
from flawcast.generators.defects.contrast import visible_contrast
from flawcast.generators.defects.cut_outs import CutOut, make_cut_out
from flawcast.generators.defects.layer import DefectLayer
from flawcast.generators.defects.ledger import Ledger, fulfil
from flawcast.generators.defects.looks import likeness, look_of_layer
from flawcast.generators.defects.making import Order, make_defect
from flawcast.generators.defects.motion import field_of_affine, move
from flawcast.generators.defects.placebo import make_placebo
from flawcast.generators.defects.placement import Wish
from flawcast.generators.defects.reasons import RefusedError
from tests.generators.defects.hosts import smooth_host


def made(kind: str = "crack", seed: int = 1, severity: float = 0.7) -> DefectLayer:
    return make_defect(smooth_host(), Order(kind, Wish(0.35), severity, seed))


def real_crack() -> CutOut:
    """A dark crack on a rough bright surface, as a still shows it."""
    rng = np.random.default_rng(5)
    surface = 170 + cv2.GaussianBlur(rng.normal(0, 9, (60, 90, 3)), (0, 0), 0.8)
    mask = np.zeros((60, 90), np.uint8)
    line = np.array([[15, 40], [34, 24], [50, 33], [74, 18]], np.int32)
    cv2.polylines(mask, [line], False, 1, 3)
    picture = np.where(mask[..., None] > 0, surface * 0.4, surface)
    return CutOut("item", "crack", picture.clip(0, 255).astype(np.uint8), mask > 0, 0.4)


def test_visible_contrast_needs_no_other_picture() -> None:
    host, layer = smooth_host(), made()
    after = layer.over(host.picture, host.background)
    assert visible_contrast(host.picture, layer.mask(), host.part) < 1
    assert visible_contrast(after, layer.mask(), host.part) > 3


def test_a_faint_defect_is_refused() -> None:
    host, layer = smooth_host(), made()
    check_visible(host, layer)
    weak = replace(layer, pixels=np.zeros_like(layer.pixels))
    with pytest.raises(RefusedError, match="crack: expected a contrast-to-noise") as caught:
        check_visible(host, weak)
    assert caught.value.reason == "faint"
    with pytest.raises(RefusedError, match="contrast-to-noise"):
        check_visible(host, replace(layer, wanted=3 * layer.contrast))


def test_a_mask_beside_the_part_is_refused() -> None:
    host, layer = smooth_host(), made()
    check_on_part(host.part, layer.mask())
    for mask in (~host.part, np.zeros_like(host.part)):
        with pytest.raises(RefusedError) as caught:
            check_on_part(host.part, mask)
        assert caught.value.reason == "off_part"


def test_contrast_is_steady_while_the_part_moves() -> None:
    host, layer = smooth_host(), made("stain")
    plain, defective, masks, parts = [], [], [], []
    for step in range(6):
        motion = np.array([[1, 0, 3.0 * step], [0, 1, -1.0 * step]])
        frame = cv2.warpAffine(host.picture, motion, (128, 128))
        moved = move(layer, field_of_affine(motion, (128, 128)))
        part = cv2.warpAffine(host.part.astype(np.uint8), motion, (128, 128)) > 0
        plain.append(frame)
        defective.append(moved.over(frame))
        masks.append(moved.mask)
        parts.append(part)
    contrasts = frame_contrasts(plain, defective, masks, parts)
    assert len(contrasts) == 6
    check_steady(contrasts)
    defective[2] = plain[2]
    defective[4] = plain[4]
    with pytest.raises(RefusedError) as caught:
        check_steady(frame_contrasts(plain, defective, masks, parts))
    assert caught.value.reason == "unstable"
    with pytest.raises(RefusedError, match="got none"):
        check_steady(np.zeros(0))


def test_copies_are_refused() -> None:
    host, layer = smooth_host(), made()
    look = look_of_layer(layer, host.picture, host.background)
    other = made(seed=2)
    different = look_of_layer(other, host.picture, host.background)
    assert likeness(look, [look]) == pytest.approx(1, abs=1e-5)
    assert likeness(look, [different, None]) < 0.9
    check_new(layer, look, [different], [KnownDefect("crack", different, layer.place)])
    with pytest.raises(RefusedError, match="likeness to real defects") as caught:
        check_new(layer, look, [look])
    assert caught.value.reason == "near_real"
    with pytest.raises(RefusedError, match="same look") as caught:
        check_new(layer, look, (), [KnownDefect("crack", look, layer.place)])
    assert caught.value.reason == "near_sample"


def test_the_ledger_counts_every_request() -> None:
    host = smooth_host()
    orders = [Order("stain", Wish(0.2), 0.6, seed) for seed in range(4)]
    orders += [Order("stain", Wish(0.98), 0.6, 9), Order("stain", Wish(0.2), 0.6, 0)]
    layers, ledger = fulfil(host, orders)
    assert [layer is not None for layer in layers[:4]] == [True] * 4
    assert layers[4] is None
    assert ledger.requested == len(orders) == ledger.made + ledger.rejected.total()
    assert ledger.rejected == {"too_large": 1}
    assert ledger.redone["too_large"] == 4
    again = layers[5]
    assert again is not None  # the same order twice: the second one is made by another seed
    assert layers[0] is not None
    assert again.seed != layers[0].seed == 0
    assert ledger.redone["near_sample"] >= 1
    total = Ledger()
    total.add(ledger)
    total.add(ledger)
    assert total.to_json()["requested"] == 2 * len(orders)


def test_a_malformed_order_is_not_redone() -> None:
    with pytest.raises(SettingsError):
        fulfil(smooth_host(), [Order("rot", Wish(0.2), 0.5, 0)])


@pytest.mark.parametrize("kind", ["stain", "scratch", "crack", "chip"])
def test_a_placebo_is_harmless(kind: str) -> None:
    host = smooth_host()
    placebo = make_placebo(host, Order(kind, Wish(0.2), 0.9, 4))
    again = make_placebo(host, Order(kind, Wish(0.2), 0.9, 4))
    assert placebo.harmless
    assert placebo.pixels.any()
    assert placebo.pixels.tobytes() == again.pixels.tobytes()
    assert not placebo.mask().any()
    assert not placebo.at(1)[1].any()
    assert 0 < placebo.contrast < 1.8
    still = move(placebo, field_of_affine(np.eye(2, 3), host.size))
    assert not still.mask.any()
    assert np.array_equal(still.over(host.picture), placebo.over(host.picture))


def test_a_real_defect_is_put_on_a_part() -> None:
    host, real = smooth_host(), real_crack()
    layers = [
        make_cut_out(host, Order("cut_out", Wish(0.35), severity, 6), real)
        for severity in (0.0, 0.5, 1.0)
    ]
    assert layers[0].contrast < layers[1].contrast < layers[2].contrast
    assert layers[0].contrast == pytest.approx(0.35 * real.contrast(), rel=0.2)
    after = layers[1].over(host.picture)
    assert after[layers[1].mask()].mean() < host.picture[layers[1].mask()].mean() - 15
    beside = cv2.dilate(layers[1].mask().astype(np.uint8), np.ones((17, 17), np.uint8)) == 0
    assert np.array_equal(after[beside], host.picture[beside])
    assert (layers[1].label, layers[1].source_id) == ("crack", "item")
    pixels = np.argwhere(layers[1].mask())[:, ::-1].astype(np.float32)
    assert (max(cv2.minAreaRect(pixels)[1]) + 1) / host.extent == pytest.approx(0.35, rel=0.15)


def test_real_defects_go_through_the_same_checks() -> None:
    host, real = smooth_host(), real_crack()
    layers, ledger = fulfil(
        host,
        [Order("cut_out", Wish(0.35), 0.6, seed) for seed in range(3)],
        [real.look()],
        lambda part, order: make_cut_out(part, order, real),
    )
    assert ledger.made == 3
    assert all(layer is not None for layer in layers)
