"""The speed benchmarks on a GPU, timed on the clock; on a CPU they prove that all of it runs."""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from flawcast.configs.settings import GenerateSettings
from flawcast.flows.benchmarks.base import BenchmarkRequest, Report, Row
from flawcast.flows.benchmarks.timing import machine
from flawcast.flows.generate.plan import plan_sets
from flawcast.flows.generate.sample_set import SetRequest, make_set
from flawcast.generators.backbones import MotionBackbone, build_backbone
from flawcast.generators.backbones.base import ready
from flawcast.generators.clips.frames import to_video
from flawcast.generators.forecasters.base import build_forecaster
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.model import find_model, load_model
from flawcast.generators.rendering.fused import for_inference
from flawcast.generators.rendering.precision import halved
from flawcast.generators.rendering.scene import Scene

Draw = Callable[[Tensor], Tensor]
WARM = 2  # calls that do not count; the first one compiles
BLOCK, FRAMES, SHOWN = 6, 36, 30  # of `realtime`: frames in blocks of six, scaled to a second


@dataclass(frozen=True)
class Sizes:
    """How large the measured models and batches are.

    Args:
        backbone: Configuration of FOMM; empty for the published sizes.
        side: Frame size.
        batches: Frames that are drawn at once.
        forecaster: Settings of GRU-NF.
        steps: Frames of each sampled future.
        samples: Futures of a set.
        model: The model of the pipeline.
        product: Side of the matrices that tell the device's peak.
        seconds: How long each way is timed, at least.
        compiled: Whether to measure compiled models.
    """

    backbone: Mapping[str, Any] = field(default_factory=dict)
    side: int = 256
    batches: tuple[int, ...] = (8, 64)
    forecaster: Mapping[str, Any] = field(default_factory=lambda: {"preset": "paper"})
    steps: int = 24
    samples: int = 100
    model: str = "line-128"
    product: int = 8192
    seconds: float = 2.0
    compiled: bool = True

    @staticmethod
    def of(request: BenchmarkRequest) -> "Sizes":
        """The published sizes, with a request's futures and model."""
        return Sizes(samples=request.samples, model=request.model)


def seconds_of(work: Callable[[], object], device: torch.device, least: float) -> float:
    """Wall-clock seconds of one call, over as many calls as take some time."""
    for _ in range(WARM):
        work()
    _wait(device)
    calls, began = 0, time.perf_counter()
    while not calls or time.perf_counter() - began < least:
        work()
        calls += 1
        if calls % 4 == 0:
            _wait(device)  # what is only queued is not done
    _wait(device)
    return (time.perf_counter() - began) / calls


def peak_rates(device: torch.device, sizes: Sizes) -> dict[str, float]:
    """Operations per second of a large matrix product, by precision."""
    rates = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        one = torch.randn(sizes.product, sizes.product, device=device).to(dtype)
        took = seconds_of(partial(torch.mm, one, one), device, sizes.seconds / 2)
        rates[name] = 2.0 * sizes.product**3 / took
    return rates


@torch.no_grad()
def render(device: torch.device, sizes: Sizes) -> Report:
    """Frames per second of FOMM by precision, batch and way, against the device's bf16 peak."""
    plain, scene, moved = fomm_scene(device, sizes)
    with FlopCounterMode(display=False) as counter:
        plain.to(device).render(scene.appearance, moved[:1])
    operations = float(counter.get_total_flops())
    peak = peak_rates(device, sizes)["bf16"]
    rows: list[Row] = []
    for batch in sizes.batches:
        vectors = moved[:batch]
        for name, make in _ways(scene, vectors, sizes).items():
            _forget_peak(device)
            try:
                work = make()
                took = seconds_of(work, device, sizes.seconds)
            except Exception as error:  # the other ways still tell something
                rows.append(_failed(f"{name}, batch of {batch}", error))
                continue
            rate = batch / took
            rows.append(
                {
                    "way": f"{name}, batch of {batch}",
                    "ms per frame": 1e3 / rate,
                    "frames/s": rate,
                    "of the bf16 peak": rate * operations / peak,
                    "peak memory, MiB": _peak_memory(device),
                    "failure": "",
                }
            )
    return Report(
        title=f"render on {device_name(device)}: FOMM at {sizes.side}x{sizes.side}",
        rows=tuple(rows),
        note=f"{operations / 1e9:.1f} GFLOP a frame; the peak is that of a matrix product, "
        f"{peak / 1e12:.2f} TFLOP/s in bf16. stored: with conversion to bytes in main memory. "
        f"{machine()}",
    )


def _failed(way: str, error: Exception) -> Row:
    """A row of a way that did not run."""
    words = " ".join(str(error).split())[:120]
    nothing = dict.fromkeys(
        ("ms per frame", "frames/s", "of the bf16 peak", "peak memory, MiB"), ""
    )
    return {"way": way, **nothing, "failure": f"{type(error).__name__}: {words}"}


def _ways(
    scene: Scene, vectors: Tensor, sizes: Sizes
) -> dict[str, Callable[[], Callable[[], object]]]:
    """Makers of the ways to draw a batch; making one may compile it."""
    own, on_gpu = scene.backbone, scene.backbone.device.type == "cuda"
    half = halved(own, torch.bfloat16, None)
    source = scene.appearance

    def call(model: MotionBackbone) -> Callable[[], object]:
        return lambda: model.rendering(source, vectors).frames

    ways: dict[str, Callable[[], Callable[[], object]]] = {
        "fp32": lambda: call(own),
        "bf16": lambda: call(half),
        "bf16, stored": lambda: lambda: half.draw(source, vectors),
    }
    if on_gpu:
        drawn: Draw = lambda batch: half.rendering(source, batch).frames  # noqa: E731
        ways["bf16, CUDA graph"] = lambda: partial(graphed(drawn, vectors), vectors)
    if sizes.compiled:
        compiler = "inductor" if on_gpu else "aot_eager"
        ways["bf16, compiled"] = lambda: call(halved(own, torch.bfloat16, compiler))
    return ways


def graphed(draw: Draw, example: Tensor) -> Draw:
    """The same as a CUDA graph, for batches of one size; its output is overwritten by each call."""
    given = example.clone()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            draw(given)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = draw(given)

    def again(batch: Tensor) -> Tensor:
        given.copy_(batch)
        graph.replay()
        return out

    return again


@torch.no_grad()
def sample(device: torch.device, sizes: Sizes) -> Report:
    """Time per step of all futures of a window, by precision."""
    torch.manual_seed(0)
    model = build_forecaster("gru_nf", 60, dict(sizes.forecaster)).eval().to(device)
    past = 0.1 * torch.randn(1, 12, 60, device=device)
    noise = torch.Generator().manual_seed(0)
    rows: list[Row] = []
    for name, half in (("fp32", False), ("bf16", True)):

        def work(half: bool = half) -> None:
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                model.sample(past, sizes.steps, sizes.samples, noise)

        _forget_peak(device)
        took = seconds_of(work, device, sizes.seconds)
        rows.append(
            {
                "precision": name,
                "ms per step": 1e3 * took / sizes.steps,
                "futures/s": sizes.samples / took,
                "peak memory, MiB": _peak_memory(device),
            }
        )
    return Report(
        title=f"sample on {device_name(device)}: {sizes.samples} futures of {sizes.steps} frames",
        rows=tuple(rows),
        note=f"GRU-NF; `generate` samples on the CPU, so that futures are the same everywhere. "
        f"{machine()}",
    )


def pipeline(device: torch.device, sizes: Sizes) -> Report:
    """Seconds per set, from the clip to what is kept, by precision."""
    model = load_model(find_model(sizes.model), device)
    horizon, read = model.card.settings.forecast, model.clip_settings()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        line = write_line(
            Path(folder) / "line", draw_line(1, 77, 24, min(256, read.size), ("topple",))
        )
        for precision in ("fp32", "bf16") if device.type == "cuda" else ("fp32",):
            settings = GenerateSettings(
                past=horizon.past,
                future=horizon.future,
                samples=sizes.samples,
                keep=max(2, sizes.samples // 5),
                precision=precision,
            )
            plan = plan_sets(line, None, ("reconstruction",), settings, read, model.weights_id, 1)
            request, drawn = SetRequest(settings, read, "benchmark", "0"), list[int]()
            work = partial(make_set, plan.sets[0], model, request, on_frames=drawn.append)
            _forget_peak(device)
            took = seconds_of(work, device, sizes.seconds)
            rows.append(
                {
                    "precision": precision,
                    "s per set": took,
                    "frames drawn": drawn[-1],
                    "drawn frames/s": drawn[-1] / took,
                    "peak memory, MiB": _peak_memory(device),
                }
            )
    return Report(
        title=f"pipeline on {device_name(device)}: {sizes.model}, {sizes.samples} futures",
        rows=tuple(rows),
        note=f"decoding, sampling, drawing, scoring; nothing is stored. {machine()}",
    )


@torch.no_grad()
def realtime(device: torch.device, sizes: Sizes) -> Report:
    """The stages of the paper's real-time table, on a device."""
    _, scene, moved = fomm_scene(device, sizes)
    backbone, length = scene.backbone, scene.backbone.layout.length
    vrnn = build_forecaster("vrnn", length, {"preset": "paper"}).eval()
    past, noise = torch.randn(1, BLOCK, length), torch.Generator().manual_seed(0)
    frames = torch.rand(BLOCK, 3, sizes.side, sizes.side, device=device)
    half = halved(backbone, torch.bfloat16, None)
    blocks = FRAMES // (2 * BLOCK)
    stages: dict[str, tuple[Callable[[], object], int]] = {
        "keypoints": (lambda: backbone.keypoints(frames), blocks),
        "forecast": (lambda: vrnn.sample(past, BLOCK, 1, noise), blocks),
        "render": (lambda: half.draw(scene.appearance, moved[:BLOCK]), FRAMES // BLOCK),
    }
    took = {
        name: seconds_of(work, device, sizes.seconds / 2) * times * SHOWN / FRAMES
        for name, (work, times) in stages.items()
    }
    total = sum(took.values())
    return Report(
        title=f"realtime on {device_name(device)}: FOMM at {sizes.side}x{sizes.side} with VRNN",
        rows=(
            {"backbone": "fomm", **{f"{k} s": v for k, v in took.items()}, "fps": SHOWN / total},
        ),
        note=f"seconds for {SHOWN} frames in blocks of {BLOCK}, on the clock; the forecast is made "
        f"on the CPU, rendering is in bf16 and ends in bytes in main memory. {machine()}",
    )


def fomm_scene(device: torch.device, sizes: Sizes) -> tuple[MotionBackbone, Scene, Tensor]:
    """A plain model on the CPU, its inference form with a source on a device, and keypoints."""
    plain = ready(build_backbone("fomm", dict(sizes.backbone), 77))
    noise = torch.Generator().manual_seed(77)
    source = torch.rand(3, sizes.side, sizes.side, generator=noise)
    scene = Scene.encode(for_inference(plain).to(device), to_video(source))
    own = plain.keypoints(source[None])
    moved = own + 0.02 * torch.randn(max(*sizes.batches, BLOCK), own.shape[1], generator=noise)
    return plain, scene, moved.to(device)


def device_name(device: torch.device) -> str:
    """What a device is."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "this CPU"


def _wait(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _forget_peak(device: torch.device) -> None:
    """Begin to measure the peak of memory."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _peak_memory(device: torch.device) -> float | str:
    """MiB that a GPU held at most; nothing of a CPU."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else ""
