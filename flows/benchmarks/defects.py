"""Defects of looks: masks under true motion, controls, paste edges, cost, and sheets to look at."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from scipy.stats import spearmanr

from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row, alone
from flawcast.flows.benchmarks.defect_hosts import MovingHost, line_hosts, real_hosts
from flawcast.flows.benchmarks.defect_proofs import (
    angle_error,
    mask_agreement,
    place_error,
    size_error,
)
from flawcast.flows.benchmarks.defect_sheets import write_type_sheets
from flawcast.flows.benchmarks.paste_edges import EdgePatches
from flawcast.flows.benchmarks.timing import machine
from flawcast.generators.defects.contrast import contrast_to_noise
from flawcast.generators.defects.host import Host
from flawcast.generators.defects.layer import HALF, DefectLayer, smallest_alpha
from flawcast.generators.defects.ledger import Ledger, fulfil
from flawcast.generators.defects.making import Order, make_defect
from flawcast.generators.defects.motion import field_of_affine, move
from flawcast.generators.defects.placebo import make_placebo
from flawcast.generators.defects.placement import Wish
from flawcast.generators.defects.reasons import RefusedError
from flawcast.generators.defects.sketch import DEFECT_TYPES

SEVERITIES = (0.1, 0.3, 0.5, 0.7, 0.9)
PLACEBO, SEAM = "placebo", "seam (control)"
STEP = 8  # gray levels of the control: a hard border that the blind test has to see
BLIND = 0.5  # severity of the defects whose borders the blind test sees


@dataclass
class Measured:
    """Figures of one type, collected over parts."""

    agreements: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    contrasts: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    places: list[float] = field(default_factory=list)
    angles: list[float] = field(default_factory=list)
    making: list[float] = field(default_factory=list)
    moving: list[float] = field(default_factory=list)
    same: list[bool] = field(default_factory=list)
    edges: EdgePatches = field(default_factory=EdgePatches)
    ledger: Ledger = field(default_factory=Ledger)


@BENCHMARKS.register("defects")
@alone("its table is about defects")
def defects(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Whether procedural defects are where and what they say, on parts of the built-in line."""
    cv2.setNumThreads(1)  # times are those of one core
    hosts = list(line_hosts(request.clips_per_state, request.seed))
    found = {kind: Measured() for kind in (*DEFECT_TYPES.names(), PLACEBO)}
    seams = EdgePatches()
    for number, moving in enumerate(hosts):
        for kind, measured in found.items():
            rng = np.random.default_rng([request.seed, number])
            if kind == PLACEBO:
                _placebos(measured, seams, moving.hosts[0], number, rng)
            else:
                _defects(measured, kind, moving, number, rng)
        on_done(number + 1, len(hosts))
    if request.pictures is not None:
        shown = [(moving.name, moving.hosts[0]) for moving in hosts[:4]]
        real = list(real_hosts(request.clips)) if request.clips is not None else []
        write_type_sheets(request.pictures, [*shown, *real])
    rows = [_row(kind, measured) for kind, measured in found.items()]
    return Report(
        title=f"defects: {len(hosts)} parts of the built-in line at 256x256",
        rows=(*rows, _mean_row(rows, list(found.values())), _seam_row(rows[0], seams)),
        note=f"{HOW_TO_READ} {machine()}",
    )


HOW_TO_READ = (
    "IoU: mask moved by the true motion, against the defect drawn into the true part of each later "
    "frame. severity: rank correlation of the severity asked for with the contrast-to-noise that "
    "is measured on the pictures, within a part (mean over parts). size, place: median error as a "
    "share of the part's extent; "
    "angle: median error in degrees, of types with a direction. same bytes: whether the same seed "
    "gives the same layer. paste edge: AUROC of telling patches around a layer's border from the "
    "untouched surface at the same places, tested on other parts; 0.5 is guessing; control: a "
    f"border of {STEP} gray levels without blending. make, frame: "
    "median CPU time in ms to make a defect, and to move and draw it in a frame. rejected: of the "
    "requests, after five seeds each."
)


def _defects(
    measured: Measured, kind: str, moving: MovingHost, number: int, rng: np.random.Generator
) -> None:
    """Measure one type on one part."""
    host = moving.hosts[0]
    low, high = DEFECT_TYPES[kind].sizes
    wish = Wish(float(rng.uniform(low, high)))
    if DEFECT_TYPES[kind].directed and number % 2 == 0:  # else a crack may start at an edge
        wish = Wish(wish.size, angle=float(rng.uniform(-90, 90)))
    orders = [
        Order(kind, wish, severity, 1000 * number + index)
        for index, severity in enumerate(SEVERITIES)
    ]
    layers, ledger = fulfil(host, orders)
    measured.ledger.add(ledger)
    made = [
        (order, layer) for order, layer in zip(orders, layers, strict=True) if layer is not None
    ]
    contrasts = [_measured_contrast(host, layer) for _, layer in made]
    if len(made) >= 3 and DEFECT_TYPES[kind].contrasts is not None:
        order_kept = spearmanr([order.severity for order, _ in made], contrasts)[0]
        measured.asked.append(float(order_kept))
    measured.contrasts += contrasts
    for order, layer in made:
        started = time.process_time()
        again = make_defect(host, Order(kind, wish, order.severity, layer.seed))
        measured.making.append(1000 * (time.process_time() - started))
        measured.same.append(again.pixels.tobytes() == layer.pixels.tobytes())
        measured.sizes.append(size_error(host, layer))
        if wish.angle is not None:
            measured.angles.append(angle_error(host, layer, wish.angle))
        if order.severity == BLIND:
            measured.agreements += mask_agreement(
                moving, Order(kind, wish, BLIND, layer.seed), layer
            )
            measured.edges.add(host, layer, number, rng)
            measured.moving.append(_frame_time(host, layer))
    if "inside" in DEFECT_TYPES[kind].places:
        measured.places += _place_errors(host, kind, number, rng)


def _placebos(
    measured: Measured, seams: EdgePatches, host: Host, number: int, rng: np.random.Generator
) -> None:
    """Measure placebos with the outline of each type on one part; seams get the same outlines."""
    for index, kind in enumerate(DEFECT_TYPES.names()):
        low, high = DEFECT_TYPES[kind].sizes
        order = Order(kind, Wish(float(rng.uniform(low, high))), BLIND, 1000 * number + index)
        started = time.process_time()
        try:
            layer = make_placebo(host, order)
        except RefusedError as refused:
            measured.ledger.rejected[refused.reason] += 1
            continue
        measured.making.append(1000 * (time.process_time() - started))
        again = make_placebo(host, order)
        measured.same.append(again.pixels.tobytes() == layer.pixels.tobytes())
        measured.ledger.made += 1
        measured.contrasts.append(layer.contrast)
        measured.edges.add(host, layer, number, rng)
        seams.add(host, _with_seam(host, layer), number, rng)
        measured.moving.append(_frame_time(host, layer))


def _with_seam(host: Host, layer: DefectLayer) -> DefectLayer:
    """A bad paste for comparison: the outline of a placebo, a little lighter, without blending."""
    left, top, right, bottom = layer.box
    before = host.picture[top:bottom, left:right]
    inside = layer.cover[..., None] > HALF
    lighter = (before + STEP * inside).astype(np.float32)
    return replace(layer, pixels=smallest_alpha(before, lighter))


def _measured_contrast(host: Host, layer: DefectLayer) -> float:
    """Contrast-to-noise of the pictures with and without the defect."""
    after = layer.over(host.picture, host.background)
    return contrast_to_noise(host.picture, after, layer.mask(), host.part)


def _place_errors(host: Host, kind: str, number: int, rng: np.random.Generator) -> list[float]:
    """Distance of defects from where they were asked to be, in extents."""
    rows, columns = np.nonzero(cv2.erode(host.part.astype(np.uint8), np.ones((9, 9), np.uint8)))
    chosen = int(rng.integers(len(rows)))
    at = host.in_part(np.array([columns[chosen], rows[chosen]], float))
    size = DEFECT_TYPES[kind].sizes[0]
    try:
        layer = make_defect(host, Order(kind, Wish(size, at=at, where="inside"), BLIND, number))
    except RefusedError:
        return []  # too near to the edge for this type
    return [place_error(layer, at)] if layer.mask().any() else []


def _frame_time(host: Host, layer: DefectLayer) -> float:
    """CPU time in ms to move a defect into a frame and draw it."""
    motion_field = field_of_affine(np.array([[1, 0, 2.5], [0, 1, -1.5]]), host.size)
    started = time.process_time()
    move(layer, motion_field).over(host.picture, host.background)
    return 1000 * (time.process_time() - started)


def _row(kind: str, measured: Measured) -> Row:
    """A line of the table."""
    return {
        "type": kind,
        "made": measured.ledger.made,
        "rejected": _reasons(measured.ledger.rejected),
        "IoU": _mean(measured.agreements),
        "severity": _mean(measured.asked),
        "contrast": _median(measured.contrasts),
        "size": _median(measured.sizes),
        "place": _median(measured.places),
        "angle": _median(measured.angles),
        "same bytes": "yes" if all(measured.same) else "no",
        "paste edge": _shown(measured.edges.auroc()),
        "make": _median(measured.making),
        "frame": _median(measured.moving),
    }


def _mean_row(rows: Sequence[Row], found: Sequence[Measured]) -> Row:
    """Means over the types, and the blind test with all patches together."""
    pooled, ledger = EdgePatches(), Ledger()
    for measured in found:
        pooled.features += measured.edges.features
        pooled.pasted += measured.edges.pasted
        pooled.groups += measured.edges.groups
        ledger.add(measured.ledger)
    row: dict[str, str | float | int] = {"type": "all", "made": ledger.made}
    row["rejected"] = ledger.rejected.total()
    for name in list(rows[0])[3:]:
        values = [value for one in rows if isinstance(value := one[name], float)]
        row[name] = float(np.mean(values)) if values else ""
    row["same bytes"] = "yes" if all(all(one.same) for one in found) else "no"
    row["paste edge"] = _shown(pooled.auroc())
    return row


def _seam_row(like: Row, seams: EdgePatches) -> Row:
    """How well the blind test sees a bad paste."""
    return {**dict.fromkeys(like, ""), "type": SEAM, "paste edge": _shown(seams.auroc())}


def _reasons(rejected: Counter) -> str:  # type: ignore[type-arg]
    """Counts of reasons in words."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(rejected.items())) or "0"


def _mean(values: Sequence[float]) -> float | str:
    """The mean, or nothing of nothing."""
    return float(np.mean(values)) if values else ""


def _median(values: Sequence[float]) -> float | str:
    """The median, or nothing of nothing."""
    return float(np.median(values)) if values else ""


def _shown(value: float) -> float | str:
    """A figure, or nothing where it is unknown."""
    return value if np.isfinite(value) else ""
