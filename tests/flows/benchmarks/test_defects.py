"""Proofs of defects: masks under true motion, the blind test of paste edges, and the command."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawcast.flows.benchmarks.defect_hosts import MovingHost, line_host, real_hosts
from flawcast.flows.benchmarks.defect_proofs import mask_agreement
from flawcast.flows.benchmarks.defects import SEVERITIES
from flawcast.flows.benchmarks.paste_edges import EdgePatches
from flawcast.generators.defects.making import Order, make_defect
from flawcast.generators.defects.motion import field_of_affine
from flawcast.generators.defects.placement import Wish
from flawcast.generators.defects.sketch import DEFECT_TYPES
from tests.flows.commands.running import run


@pytest.fixture(scope="module")
def moving() -> MovingHost:
    """A part of the line that slips."""
    return line_host("slip", 3)


def test_the_true_motion_is_that_of_the_part(moving: MovingHost) -> None:
    source = moving.hosts[0]
    for host, motion in zip(moving.hosts, moving.motions, strict=True):
        field = field_of_affine(motion, host.size)
        x, y = np.clip(np.round(field).astype(int), 0, source.size[0] - 1).transpose(2, 0, 1)
        shown = source.part[y, x]
        assert (shown & host.part).sum() > 0.9 * (shown | host.part).sum()


@pytest.mark.parametrize("kind", DEFECT_TYPES.names())
def test_moved_masks_are_where_the_defect_is_drawn(kind: str, moving: MovingHost) -> None:
    low, high = DEFECT_TYPES[kind].sizes
    order = Order(kind, Wish((low + high) / 2), 0.5, 5)
    layer = make_defect(moving.hosts[0], order)
    agreement = mask_agreement(moving, order, layer)
    assert len(agreement) == len(moving.hosts) - 1
    thin = kind in ("scratch", "crack")  # one or two pixels wide: a border pixel is half of them
    assert np.mean(agreement) > (0.75 if thin else 0.88)


def test_the_blind_test_sees_a_bad_paste_and_no_untouched_border() -> None:
    rng = np.random.default_rng(0)
    hard, none = EdgePatches(), EdgePatches()
    for group in range(4):
        host = line_host("normal", group, 128).hosts[0]
        layer = make_defect(host, Order("stain", Wish(0.25), 0.5, group))
        inner = np.zeros(layer.cover.shape, np.uint8)
        inner[4:-4, 4:-4] = 1
        black = np.zeros_like(layer.pixels)
        black[..., 3] = 60 * inner
        clear = np.zeros_like(layer.hole)
        hard.add(host, replace(layer, pixels=black, hole=clear, harmless=True), group, rng)
        same = replace(host, background=host.picture)  # its hole shows what was there before
        none.add(
            same, replace(layer, pixels=np.zeros_like(black), hole=inner, harmless=True), group, rng
        )
    assert hard.auroc() > 0.7
    assert none.auroc() == pytest.approx(0.5, abs=0.1)


@pytest.mark.slow
def test_the_command_writes_figures_and_sheets(tmp_path: Path) -> None:
    options = ("--clips-per-state", "1", "--out", tmp_path, "--json", "--quiet")
    rows = json.loads(run("benchmark", "defects", *options).stdout)["rows"]
    by_type = {row["type"]: row for row in rows}
    assert set(by_type) == {*DEFECT_TYPES.names(), "placebo", "all", "seam (control)"}
    for kind in DEFECT_TYPES.names():
        row = by_type[kind]
        rejected = sum(int(word.split()[0]) for word in row["rejected"].split(", "))
        assert row["made"] + rejected == 4 * len(SEVERITIES)
        assert row["same bytes"] == "yes"
        if DEFECT_TYPES[kind].contrasts is not None and row["severity"] != "":
            assert row["severity"] > 0.95
    with Image.open(next(tmp_path.glob("defects-*.png"))) as sheet:
        assert sheet.width > 1000


def test_parts_of_real_clips_are_found(shared: Path) -> None:
    ((name, host),) = real_hosts(shared / "clips" / "belt" / "belt_box_A_mid.mp4")
    assert name == "belt_box_A_mid"
    assert 0.05 < host.part.mean() < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["", "magnetic_tile", "kolektor_sdd"])
def test_borders_of_samples_are_not_seen(
    folder: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    images = []
    if folder:
        images = ["--clips", request.getfixturevalue("shared") / "defect_images" / folder]
    options = (*images, "--clips-per-state", "3", "--out", tmp_path, "--json", "--quiet")
    rows = json.loads(run("benchmark", "paste-edges", *options).stdout)["rows"]
    by_kind = {row["samples"]: row["AUROC"] for row in rows}
    assert by_kind["placebos"] <= 0.65
    if not folder:  # borders of cut-outs on stills are seen: docs/defects.md has the figures
        assert by_kind["all"] <= 0.65
    assert by_kind["seam (control)"] > by_kind["placebos"]
    assert (tmp_path / "paste-edges.png").is_file()
