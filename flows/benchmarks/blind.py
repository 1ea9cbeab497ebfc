"""The blind test of paste edges over many samples, on the built-in line or on a user's stills."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row, alone
from flawcast.flows.benchmarks.defect_hosts import line_hosts
from flawcast.flows.benchmarks.paste_edges import EdgePatches
from flawcast.flows.benchmarks.timing import machine
from flawcast.flows.uplift.images.stills import Still, read_stills
from flawcast.generators.defects import (
    DEFECT_TYPES,
    DefectLayer,
    Host,
    Order,
    RefusedError,
    Wish,
    fulfil,
    make_cut_out,
    make_placebo,
    measure_host,
)
from flawcast.generators.defects.bank.adding import cut_out_of
from flawcast.generators.defects.layer import HALF, smallest_alpha

NUMBER = r"(\d+)"
MOST_STILLS = 48  # good stills that are pasted on
BLIND = 0.5  # severity
STEP = 8  # gray levels of the control: a hard border that the test has to see
LARGEST, PLACEBO_SIZE = 0.6, 0.3
TILE, COLUMNS = 96, 20  # of the sheet, pixels and pictures

Image = NDArray[np.uint8]


@BENCHMARKS.register("paste-edges")
@alone("it is about defects")
def paste_edges(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """How well a classifier tells borders of defects and placebos from untouched surface."""
    cv2.setNumThreads(1)
    edges = {name: EdgePatches() for name in ("defects", "placebos", "seam (control)")}
    made: Counter[str] = Counter()
    tiles: list[Image] = []
    read = [] if request.clips is None else read_stills(request.clips, None, NUMBER, 0)
    stills = [still for still in read if still.defective]
    hosts = list(_hosts(request, [still for still in read if not still.defective]))
    for group, host in enumerate(hosts):
        rng = np.random.default_rng([request.seed, group])
        layers = list(_cut_outs(host, stills, group, rng) if stills else _drawn(host, group, rng))
        for layer in layers:
            edges["defects"].add(host, layer, group, rng)
            tiles.append(_tile(host, layer))
        patches = list(_patches(host, group, rng))
        for layer in patches:
            edges["placebos"].add(host, layer, group, rng)
            edges["seam (control)"].add(host, _with_seam(host, layer), group, rng)
            tiles.append(_tile(host, layer))
        made.update({"defects": len(layers), "placebos": len(patches)})
        made["seam (control)"] += len(patches)
        on_done(group + 1, len(hosts))
    if request.pictures is not None:
        _write_sheet(request.pictures / "paste-edges.png", tiles)
    both = EdgePatches()
    for name in ("defects", "placebos"):
        both.features += edges[name].features
        both.pasted += edges[name].pasted
        both.groups += edges[name].groups
    made["all"] = made["defects"] + made["placebos"]
    what = f"{len(hosts)} parts of the built-in line" if not stills else f"{len(hosts)} good stills"
    return Report(
        title=f"paste-edges: {what}",
        rows=tuple(
            _row(name, made[name], found)
            for name, found in [*list(edges.items())[:2], ("all", both), *list(edges.items())[2:]]
        ),
        note="AUROC of telling patches of 7x7 pixels across the border of a layer, off its mask, "
        "from the untouched surface at the same places, on other parts than it was fitted to; 0.5 "
        f"is guessing. The control is a border of {STEP} gray levels without blending. {machine()}",
    )


def _row(name: str, made: int, found: EdgePatches) -> Row:
    """A line of the table."""
    value = found.auroc()
    return {
        "samples": name,
        "made": made,
        "patches": len(found.features),
        "AUROC": value if np.isfinite(value) else "",
    }


def _hosts(request: BenchmarkRequest, good: Sequence[Still]) -> Iterator[Host]:
    """Parts of the line; or good stills, which are all part."""
    if request.clips is None:
        for moving in line_hosts(request.clips_per_state, request.seed):
            yield moving.hosts[0]
        return
    order = np.random.default_rng(request.seed).permutation(len(good))[:MOST_STILLS]
    for index in order:
        picture = good[index].picture
        yield measure_host(picture, np.ones(picture.shape[:2], bool))


def _drawn(host: Host, group: int, rng: np.random.Generator) -> Iterator[DefectLayer]:
    """A defect of each type on a part."""
    orders = [
        Order(kind, Wish(float(rng.uniform(*DEFECT_TYPES[kind].sizes))), BLIND, 100 * group + index)
        for index, kind in enumerate(DEFECT_TYPES.names())
    ]
    yield from (layer for layer in fulfil(host, orders)[0] if layer is not None)


def _cut_outs(
    host: Host, stills: Sequence[Still], group: int, rng: np.random.Generator
) -> Iterator[DefectLayer]:
    """Four defects of other stills on a good one."""
    for index in rng.permutation(len(stills))[:4]:
        still = stills[index]
        cut = cut_out_of(still.picture, still.mask)
        own = cut.length * max(still.picture.shape[:2]) / host.extent
        order = Order("cut_out", Wish(min(LARGEST, own)), BLIND, 100 * group + int(index))
        (layer,), _ = fulfil(host, [order], [], partial(make_cut_out, cut_out=cut))
        if layer is not None:
            yield layer


def _patches(host: Host, group: int, rng: np.random.Generator) -> Iterator[DefectLayer]:
    """Placebos with the outline of each type."""
    for index, kind in enumerate(DEFECT_TYPES.names()):
        low, high = (min(size, PLACEBO_SIZE) for size in DEFECT_TYPES[kind].sizes)
        order = Order(kind, Wish(float(rng.uniform(low, high))), BLIND, 100 * group + index)
        try:
            yield make_placebo(host, order)
        except RefusedError:
            continue


def _with_seam(host: Host, layer: DefectLayer) -> DefectLayer:
    """The outline of a placebo, a little lighter, without blending."""
    left, top, right, bottom = layer.box
    before = host.picture[top:bottom, left:right]
    inside = layer.cover[..., None] > HALF
    return replace(
        layer, pixels=smallest_alpha(before, (before + STEP * inside).astype(np.float32))
    )


def _tile(host: Host, layer: DefectLayer) -> Image:
    """The surround of a layer, for the sheet."""
    after = layer.over(host.picture, host.background)
    left, top, right, bottom = layer.box
    half = max(right - left, bottom - top) * 0.75 + 8
    x, y = (left + right) / 2, (top + bottom) / 2
    rows = slice(max(0, round(y - half)), round(y + half))
    columns = slice(max(0, round(x - half)), round(x + half))
    size = (TILE, TILE)
    return np.asarray(cv2.resize(after[rows, columns], size, interpolation=cv2.INTER_CUBIC))


def _write_sheet(path: Path, tiles: Sequence[Image]) -> Path:
    """All samples side by side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = -(-len(tiles) // COLUMNS) * COLUMNS
    full = [*tiles, *[np.zeros((TILE, TILE, 3), np.uint8)] * (count - len(tiles))]
    rows = [np.hstack(full[first : first + COLUMNS]) for first in range(0, count, COLUMNS)]
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])
    return path
