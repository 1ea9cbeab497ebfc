"""Ways of doing one thing, timed alternately in one run, and what this machine can do at most."""

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from flawcast.flows.benchmarks.base import Row

Way = Callable[[], object]
PEAK_SIZE = 1024
PEAK_TIMES = 40


@dataclass(frozen=True)
class Timing:
    """How long one way took, in seconds.

    CPU time is what the process got; on a machine that others use too it is steadier than the
    time on the clock, and for one thread that only computes the two agree where nobody else works.

    Args:
        clock: Wall-clock seconds of every repetition.
        cpu: CPU seconds of every repetition, summed over threads.
    """

    clock: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """Median on the clock."""
        return float(np.median(self.clock))

    @property
    def cpu_seconds(self) -> float:
        """Median of the CPU time."""
        return float(np.median(self.cpu))

    @property
    def spread(self) -> float:
        """Distance between the quartiles of the CPU time over its median."""
        low, high = np.percentile(self.cpu, [25, 75])
        return float((high - low) / max(self.cpu_seconds, 1e-9))


def alternately(
    ways: Mapping[str, Way], repeats: int, on_done: Callable[[int, int], None]
) -> dict[str, Timing]:
    """Time every way so many times, one after the other in each round, after one round unseen."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for done in range(repeats + 1):
        for name, way in ways.items():
            clock, cpu = time.perf_counter(), time.process_time()
            way()
            took = time.perf_counter() - clock, time.process_time() - cpu
            if done:
                seconds[name].append(took)
        on_done(done + 1, repeats + 1)
    return {
        name: Timing(*(tuple(part) for part in zip(*took, strict=True)))
        for name, took in seconds.items()
    }


def compared(
    timings: Mapping[str, Timing], first: str, work: Mapping[str, float], unit: str
) -> list[Row]:
    """A row for each way: medians, spread, rate, and ratios to the first way.

    Args:
        timings: By way.
        first: The way that the others are compared with: the reference.
        work: How much of the unit each way does in one repetition.
        unit: What is counted, for instance "frames".
    """
    base = timings[first]
    rows: list[Row] = []
    for name, timing in timings.items():
        share = work[first] / work[name]
        rows.append(
            {
                "way": name,
                f"ms per {unit}": 1000 * timing.cpu_seconds / work[name],
                "spread": timing.spread,
                f"{unit}s/s": work[name] / max(timing.cpu_seconds, 1e-9),
                "cost": share * timing.cpu_seconds / max(base.cpu_seconds, 1e-9),
                "times as fast": base.cpu_seconds / max(timing.cpu_seconds * share, 1e-9),
                "cost by the clock": share * timing.seconds / max(base.seconds, 1e-9),
            }
        )
    return rows


def peak_ways() -> tuple[dict[str, Way], dict[str, float]]:
    """A large matrix product and a 3x3 convolution, and how many operations each is.

    The better of the two rates is what the machine reaches at most. Each is done many times, for
    a second or two: for a moment a machine may be faster than for as long as the ways take.
    """
    left, right = torch.rand(PEAK_SIZE, PEAK_SIZE), torch.rand(PEAK_SIZE, PEAK_SIZE)
    image = torch.rand(1, 256, 64, 64).contiguous(memory_format=torch.channels_last)
    kernel = torch.rand(256, 256, 3, 3).contiguous(memory_format=torch.channels_last)
    ways: dict[str, Way] = {
        "matrix product": lambda: _again(lambda: left @ right),
        "3x3 convolution": lambda: _again(lambda: F.conv2d(image, kernel, padding=1)),
    }
    operations = {
        "matrix product": PEAK_TIMES * 2.0 * PEAK_SIZE**3,
        "3x3 convolution": PEAK_TIMES * 2.0 * 9 * 256 * 256 * 64 * 64,
    }
    return ways, operations


def _again(do: Way) -> None:
    """Do something many times over; results are dropped at once."""
    for _ in range(PEAK_TIMES):
        do()


def gigaflops(timings: Mapping[str, Timing], operations: Mapping[str, float]) -> dict[str, float]:
    """Thousand million operations per second of CPU time of each way that has a count."""
    return {name: count / timings[name].cpu_seconds / 1e9 for name, count in operations.items()}


def processor() -> tuple[str, set[str]]:
    """Name of the processor, and what it knows, as the operating system says."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    facts = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    return facts.get("model name", platform.processor()), set(facts.get("flags", "").split())


def machine() -> str:
    """What this machine is: processor, cores, what it knows, threads, versions."""
    name, flags = processor()
    kinds = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "amx_bf16")
    known = [kind for kind in kinds if kind in flags]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return (
        f"{name}, {os.cpu_count()} cores "
        f"({', '.join(known) or 'no known extensions'}), {torch.get_num_threads()} torch threads, "
        f"torch {torch.__version__}, Python {platform.python_version()}, load {load:.0f}"
    )
