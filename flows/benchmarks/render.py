"""How fast futures are rendered: the published FOMM at 256x256, ours beside the reference way."""

from dataclasses import replace

import torch
from torch.utils.flop_counter import FlopCounterMode

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
from flawcast.generators.backbones import build_backbone
from flawcast.generators.backbones.base import ready
from flawcast.generators.backbones.fomm import FOMM, FOMMAppearance
from flawcast.generators.clips.frames import to_video
from flawcast.generators.rendering.devices import pick_device
from flawcast.generators.rendering.fused import for_inference
from flawcast.generators.rendering.precision import in_precision
from flawcast.generators.rendering.scene import Scene

SIZE = 256
FRAMES = 8  # that are timed at once: one batch of ours
REFERENCE = "reference: source encoded for every frame, batch of one"


@BENCHMARKS.register("render")
@torch.no_grad()
def render(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """Frames per second of the published sizes with seeded weights, which cost what any cost."""
    if request.device != "cpu":
        return on_device.render(pick_device(request.device), Sizes.of(request))
    torch.set_num_threads(1)
    plain = ready(build_backbone("fomm", {}, request.seed))
    assert isinstance(plain, FOMM)  # noqa: S101 - narrows the type
    source = torch.rand(3, SIZE, SIZE, generator=torch.Generator().manual_seed(request.seed))
    appearance = plain.appearance(source)
    own = appearance.keypoints.vectors()
    moved = own + 0.02 * torch.randn(FRAMES, own.shape[1])
    scene = Scene.encode(for_inference(plain), to_video(source))
    integers = in_precision(scene, "int8", moved)

    def as_reference() -> torch.Tensor:
        return torch.cat([_anew(plain, appearance, source, vector[None]) for vector in moved])

    def one_by_one() -> torch.Tensor:
        return torch.cat([plain.render(appearance, vector[None]) for vector in moved])

    def two_by_two() -> torch.Tensor:
        return torch.cat([plain.render(appearance, part) for part in moved.split(2)])

    ways: dict[str, Way] = {
        REFERENCE: as_reference,
        "source encoded once, batch of one": one_by_one,
        "source encoded once, batches of two": two_by_two,
        f"ours: inference form, batch of {FRAMES}": lambda: scene.draw(moved),
        f"ours: int8, batch of {FRAMES}": lambda: integers.draw(moved),
    }
    with FlopCounterMode(display=False) as counter:
        _anew(plain, appearance, source, moved[:1])
    operations = dict.fromkeys(ways, float(counter.get_total_flops() * FRAMES))
    peaks, peak_operations = peak_ways()
    timings = alternately({**ways, **peaks}, request.repeats, on_done)
    rates = gigaflops(timings, operations | peak_operations)
    peak = max(rates[name] for name in peaks)
    rows: list[Row] = [
        {**row, "useful GFLOP/s": rates[str(row["way"])], "of peak": rates[str(row["way"])] / peak}
        for row in compared(
            {name: timings[name] for name in ways}, REFERENCE, dict.fromkeys(ways, FRAMES), "frame"
        )
    ]
    apart = (torch.from_numpy(scene.draw(moved)).float() - _bytes(as_reference())).abs().max()
    return Report(
        title=f"render: FOMM, published sizes at {SIZE}x{SIZE}, {FRAMES} frames at a time, "
        f"{request.repeats} repetitions",
        rows=tuple(rows),
        note=f"one thread; useful GFLOP/s counts the reference's operations "
        f"({operations[REFERENCE] / FRAMES / 1e9:.1f} GFLOP a frame), whatever was done instead; "
        f"peak: {peak:.0f} GFLOP/s, the better of "
        + ", ".join(f"{name} {rates[name]:.0f}" for name in peaks)
        + f"; largest difference of ours to the reference {apart / 255:.4f}. {machine()}",
    )


def _anew(
    plain: FOMM, appearance: FOMMAppearance, source: torch.Tensor, vector: torch.Tensor
) -> torch.Tensor:
    """One frame as the reference programs draw it: they encode the source again."""
    again = replace(
        appearance,
        features=plain.generator.encode(source[None]),
        thumbnail=plain.generator.dense_motion_network.down(source[None]),
    )
    return plain.render(again, vector)


def _bytes(frames: torch.Tensor) -> torch.Tensor:
    """Frames as they would be stored, (F, H, W, 3), as floats."""
    return torch.from_numpy(to_video(frames)).float()
