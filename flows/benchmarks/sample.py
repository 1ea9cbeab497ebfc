"""How fast futures are sampled: GRU-NF at the paper's full size, all at once and one by one."""

import copy

import torch

from flawcast.flows.benchmarks import on_device
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row
from flawcast.flows.benchmarks.on_device import Sizes
from flawcast.flows.benchmarks.timing import (
    Way,
    alternately,
    compared,
    gigaflops,
    machine,
    peak_ways,
)
from flawcast.generators.forecasters.base import build_forecaster
from flawcast.generators.rendering.devices import pick_device
from flawcast.generators.rendering.packed import with_packed_linears

FEATURES, PAST = 60, 12
STEPS = 24  # with fewer, encoding the past would weigh too much on futures that are drawn alone
ALONE = 2  # futures that are drawn one by one
REFERENCE = "one future at a time"


@BENCHMARKS.register("sample")
@torch.no_grad()
def sample(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Time per future and step; weights are seeded, their values cost nothing."""
    if request.device != "cpu":
        return on_device.sample(pick_device(request.device), Sizes.of(request))
    torch.set_num_threads(1)
    torch.manual_seed(request.seed)
    model = build_forecaster("gru_nf", FEATURES, {"preset": "paper"}).eval()
    ours = with_packed_linears(copy.deepcopy(model))
    past = 0.1 * torch.randn(2, PAST, FEATURES)
    noise = torch.Generator().manual_seed(request.seed)
    together, several = (
        f"ours: {request.samples} at once",
        f"ours: {request.samples} of two windows",
    )

    def one_by_one() -> None:
        for _ in range(ALONE):
            model.sample(past[:1], STEPS, 1, noise)

    ways: dict[str, Way] = {
        REFERENCE: one_by_one,
        together: lambda: ours.sample(past[:1], STEPS, request.samples, noise),
        several: lambda: ours.sample(past, STEPS, request.samples, noise),
    }
    work = {
        REFERENCE: float(ALONE * STEPS),
        together: float(request.samples * STEPS),
        several: float(2 * request.samples * STEPS),
    }
    weights = sum(value.numel() for value in model.parameters() if value.dim() == 2)
    peaks, peak_operations = peak_ways()
    timings = alternately({**ways, **peaks}, request.repeats, on_done)
    operations = {name: 2.0 * weights * count for name, count in work.items()}
    rates = gigaflops(timings, operations | peak_operations)
    rows: list[Row] = [
        {
            **row,
            "GFLOP/s": rates[str(row["way"])],
            "of the matrix product": rates[str(row["way"])] / rates["matrix product"],
        }
        for row in compared({name: timings[name] for name in ways}, REFERENCE, work, "step")
    ]
    return Report(
        title=f"sample: GRU-NF of the paper's size, {weights / 1e6:.0f} M weights, {STEPS} steps "
        f"after {PAST} seen frames, {request.repeats} repetitions",
        rows=tuple(rows),
        note=f"one thread; a step is one frame of one future, encoding of the past included; "
        f"matrix product: {rates['matrix product']:.0f} GFLOP/s. {machine()}",
    )
