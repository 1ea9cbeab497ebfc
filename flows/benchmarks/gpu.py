"""All that a GPU is for, on one: `python -m flawcast.flows.benchmarks.gpu`, or `make gpu`.

Tests, equality with the CPU, speed and memory take less than nine minutes; then as many minutes of
training as asked. Every table is written as soon as it is there, so that a machine that is taken
away leaves what was measured. `--device cpu` proves with tiny sizes that all of it runs.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from flawcast.configs.errors import FlawcastError, one_line
from flawcast.flows.benchmarks import on_device
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, Report, Row
from flawcast.flows.benchmarks.on_device import Sizes, device_name, fomm_scene
from flawcast.flows.benchmarks.timing import machine
from flawcast.generators.clips.frames import to_video
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.rendering.devices import pick_device
from flawcast.generators.rendering.fused import for_inference
from flawcast.generators.rendering.precision import halved
from flawcast.generators.rendering.scene import Scene
from flawcast.selection.metrics import mae

ROOT = Path(__file__).resolve().parents[2]
TEST_SECONDS = 150  # after which tests are ended
FUTURES, KEPT, HORIZON = 16, 4, 2  # of the comparison with the CPU
ROUNDING, HALF_ERROR = 1 / 255, 0.01  # mean difference that is allowed in fp32 and in bf16
GRACE = 60  # seconds in which a training writes its last checkpoint
TINY = Sizes(
    backbone={
        "common_params": {"num_kp": 3},
        "kp_detector_params": {"block_expansion": 8, "max_features": 16, "num_blocks": 2},
        "generator_params": {
            "block_expansion": 8,
            "max_features": 16,
            "num_down_blocks": 1,
            "num_bottleneck_blocks": 1,
            "dense_motion_params": {"block_expansion": 8, "max_features": 16, "num_blocks": 2},
        },
    },
    side=32,
    batches=(2,),
    forecaster={"hidden": 16},
    steps=3,
    samples=10,
    model="demo",
    product=128,
    seconds=0.02,
    compiled=False,
)


@torch.no_grad()
def equality(device: torch.device, sizes: Sizes) -> Report:
    """How far a device's frames are from the CPU's, and whether the same futures are kept."""
    plain, there, moved = fomm_scene(device, sizes)
    source = to_source(sizes)
    here = Scene.encode(for_inference(plain), source)
    drift = torch.randn(
        FUTURES, HORIZON, moved.shape[1], generator=torch.Generator().manual_seed(3)
    )
    futures = moved[:1].cpu() + 0.02 * drift.cumsum(1)
    truth = moved[:1].cpu().expand(HORIZON, -1)
    wanted, reference = _drawn(here, futures), here.render(truth)
    first = set(np.argsort(mae(wanted, reference), kind="stable")[:KEPT].tolist())
    rows: list[Row] = []
    for name, bound in (("fp32", ROUNDING), ("bf16", HALF_ERROR)):
        scene = there
        if name == "bf16":
            half = halved(there.backbone, torch.bfloat16, None)
            scene = Scene(half, there.appearance, there.pixels)
        videos = _drawn(scene, futures)
        apart = np.abs(videos.astype(np.int16) - wanted) / 255
        errors = mae(videos, scene.render(truth))
        kept = set(np.argsort(errors, kind="stable")[:KEPT].tolist())
        rows.append(
            {
                "precision": name,
                "mean difference": float(apart.mean()),
                "largest difference": float(apart.max()),
                "kept alike": f"{len(first & kept)} of {KEPT}",
                "within": "yes" if apart.mean() <= bound else "NO",
            }
        )
    return Report(
        title=f"equality: {device_name(device)} and the CPU, FOMM at {sizes.side}x{sizes.side}",
        rows=tuple(rows),
        note=f"on [0, 1] pixels; allowed on average: fp32 {ROUNDING:.4f}, bf16 {HALF_ERROR}. "
        f"{machine()}",
    )


def _drawn(scene: Scene, futures: torch.Tensor) -> np.ndarray:
    """Videos of futures (N, F, D), in batches across them: (N, F, H, W, 3)."""
    frames = scene.render(futures.flatten(0, 1))
    return frames.reshape(*futures.shape[:2], *frames.shape[1:])


def to_source(sizes: Sizes) -> np.ndarray:
    """The source frame of `fomm_scene`, (H, W, 3)."""
    noise = torch.Generator().manual_seed(77)
    source = torch.rand(3, sizes.side, sizes.side, generator=noise)
    return to_video(source)


def tests(out: Path) -> Report:
    """The tests that need a GPU, and how they ended."""
    if not (ROOT / "tests").is_dir():
        return _one_row("tests", "not here: they are in the repository alone")
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "--no-header", "tests"]
    try:
        done = subprocess.run(  # noqa: S603 - our own tests
            command, cwd=ROOT, capture_output=True, text=True, timeout=TEST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return _one_row("tests", f"FAILED: not done in {TEST_SECONDS} s")
    (out / "tests.txt").write_text(done.stdout + done.stderr)
    lines = done.stdout.strip().splitlines()
    result = lines[-1] if lines else "nothing was printed"
    return _one_row("tests", result if done.returncode in (0, 5) else f"FAILED: {result}")


def layers(device: torch.device, tiny: bool) -> Report:
    """Sets of a clip's own parts, which are drawn on the CPU wherever the device is."""
    del device
    request = BenchmarkRequest(samples=4 if tiny else 100, repeats=1)
    return BENCHMARKS["layers"](request, lambda done, total: None)


def train(
    out: Path, device: torch.device, minutes: float, preset: str, clips: Path | None
) -> Report:
    """Train for some minutes; the same command goes on from the checkpoint."""
    if clips is None:
        clips = out / "line"
        if not clips.is_dir():
            write_line(clips, draw_line(8, 1, 24, 128))
    command = [sys.executable, "-c", "from flawcast.flows.cli import main; main()", "train"]
    command += [str(clips), "--preset", preset, "--out", str(out / "model")]
    command += ["--device", str(device), "--quiet"]
    with (out / "train.txt").open("a") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own command
        try:
            code = running.wait(60 * minutes)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)
            try:
                running.wait(GRACE)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
            return _one_row("train", f"{preset}: stopped after {minutes:g} minutes, as asked")
    return _one_row("train", f"{preset}: done" if code == 0 else f"FAILED: see {out}/train.txt")


def _one_row(subject: str, result: str) -> Report:
    """A report that is a sentence."""
    return Report(title=subject, rows=({"subject": subject, "result": result},), note=machine())


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure everything; 1 if something failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu with tiny sizes")
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="folder for the tables")
    parser.add_argument("--train-minutes", type=float, default=0, help="minutes of training after")
    parser.add_argument("--preset", default="line-128", help="what is trained")
    parser.add_argument("--clips", type=Path, help="clips to train on; else the built-in line")
    parser.add_argument("--only", nargs="*", help="some of the subjects, by name")
    given = parser.parse_args(arguments)
    try:
        device = pick_device(given.device)
    except FlawcastError as error:
        print(error, file=sys.stderr)
        return 1
    tiny = device.type == "cpu"
    sizes, out = TINY if tiny else Sizes(), given.out
    out.mkdir(parents=True, exist_ok=True)
    subjects: dict[str, Callable[[], Report]] = {
        "equality": lambda: equality(device, sizes),
        "render": lambda: on_device.render(device, sizes),
        "sample": lambda: on_device.sample(device, sizes),
        "realtime": lambda: on_device.realtime(device, sizes),
        "pipeline": lambda: on_device.pipeline(device, sizes),
        "layers": lambda: layers(device, tiny),
        "tests": lambda: tests(out),
    }
    if given.train_minutes:
        subjects["train"] = lambda: train(
            out, device, given.train_minutes, given.preset, given.clips
        )
    failed = [
        name
        for name, measure in subjects.items()
        if (given.only is None or name in given.only) and not _write(name, measure, out)
    ]
    if failed:
        print(f"gpu: failed: {', '.join(failed)}; see {out}", file=sys.stderr)
    return int(bool(failed))


def _write(name: str, measure: Callable[[], Report], out: Path) -> bool:
    """Measure one subject, write its table and print it; whether all is well."""
    began = time.perf_counter()
    try:
        report = measure()
    except Exception as error:  # the other subjects are measured all the same
        report = _one_row(name, f"FAILED: {type(error).__name__}: {one_line(error)}")
    (out / f"{name}.json").write_text(json.dumps(report.to_json(), indent=2) + "\n")
    (out / f"{name}.md").write_text(report.markdown())
    print(f"{report.markdown()}\n({name}: {time.perf_counter() - began:.0f} s)\n", flush=True)
    values = [str(value) for row in report.rows for value in row.values()]
    return not any(value.startswith("FAILED") or value == "NO" for value in values)


if __name__ == "__main__":
    sys.exit(main())
