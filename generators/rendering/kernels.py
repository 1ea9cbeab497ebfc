"""Which exact kernel computes a layer fastest on this machine: measured once, kept in a file.

The ways to compute a convolution give the same up to rounding, and which one is fastest depends on
the processor. So each is timed the first time that a layer of its shape is used, and the answer is
kept beside the user's caches. Whoever finds it there does not measure: all workers of a machine
use the same kernels, and so they draw the same bytes. `FLAWCAST_KERNELS` names another file, or
says "usual" for the same kernels everywhere.
"""

import fcntl
import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flawcast.configs.caches import cache_folder
from flawcast.configs.files import whole_file

Kernel = Callable[[Tensor], Tensor]

FILE_VARIABLE = "FLAWCAST_KERNELS"
USUAL = "usual"  # of that variable: nothing is measured
FORMAT = 1
WORTH_MEASURING = 2e8  # operations of a layer on one image; others take too little time to care
MOST_PIXELS = 2**13  # of the image that a layer is timed with
ROUNDS = 3
GAIN = 0.93  # share of the usual kernel's time that another must stay below
EXTENSIONS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16")


@lru_cache(maxsize=1)
def processor() -> tuple[str, tuple[str, ...]]:
    """Name of this processor, and the extensions that kernels use."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    facts = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    flags = set(facts.get("flags", "").split())
    name = facts.get("model name") or platform.processor() or platform.machine()
    return name, tuple(one for one in EXTENSIONS if one in flags)


def this_machine() -> dict[str, Any]:
    """What a choice depends on."""
    name, extensions = processor()
    return {
        "processor": name,
        "extensions": list(extensions),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


def choice_file() -> Path:
    """The file of this machine's choices: a user's own, or one in the user's cache."""
    named = os.environ.get(FILE_VARIABLE)
    if named:
        return Path(named)
    digest = hashlib.sha256(json.dumps(this_machine(), sort_keys=True).encode()).hexdigest()
    return cache_folder() / "kernels" / f"{digest[:16]}.json"


class KernelChoice:
    """The choices of one file.

    Args:
        path: The file; it need not exist.
        named: Whether a user named it: then it is not replaced if it is of no use.
    """

    def __init__(self, path: Path, named: bool = False) -> None:
        self.path, self._named = path, named
        self.kernels: dict[str, str] = {}
        self._measures = self._read() or not named

    def choose(
        self, shape: str, ways: Mapping[str, Kernel], usual: str, make: Callable[[], Tensor]
    ) -> str:
        """The name of the fastest way, measured if nobody did so before.

        Args:
            shape: The layer's shape, in words.
            ways: Kernels by name.
            usual: The one that is used unless another is clearly faster, or none can be measured.
            make: Makes an input to measure with.
        """
        if self.kernels.get(shape) not in ways:
            if not self._measures or len(ways) < 2:
                return usual
            try:
                with _locked(self.path):
                    self._read(quiet=True)
                    if self.kernels.get(shape) not in ways:
                        self.kernels[shape] = measured(ways, usual, make())
                        self._write()
            except OSError:  # no place for a file: then all workers use the usual ones
                self._measures = False
                self.kernels.pop(shape, None)
                return usual
        return self.kernels[shape]

    def _read(self, quiet: bool = False) -> bool:
        """Take the choices from the file; whether it is of use, or absent."""
        try:
            found = json.loads(self.path.read_text())
            kernels, machine = found["kernels"], found["machine"]
            sound = found["format"] == FORMAT and isinstance(kernels, dict)
            if not sound or not all(isinstance(one, str) for one in kernels.values()):
                raise ValueError("its entries are not those of a choice of kernels")
        except FileNotFoundError:
            return True
        except (OSError, ValueError, KeyError, TypeError) as error:
            return quiet or self._ignored(f"it cannot be read ({type(error).__name__})")
        if machine != this_machine():
            return quiet or self._ignored(
                "it was measured on another machine, or with another PyTorch"
            )
        self.kernels = dict(kernels)
        return True

    def _ignored(self, why: str) -> bool:
        """Say in one line that the file is not used."""
        instead = "the usual kernels are used" if self._named else "it is measured anew"
        print(f"kernels: {self.path} is ignored: {why}; {instead}", file=sys.stderr)
        return False

    def _write(self) -> None:
        """Write the file in one step."""
        content = {"format": FORMAT, "machine": this_machine(), "kernels": self.kernels}
        with whole_file(self.path) as draft:
            draft.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def measured(ways: Mapping[str, Kernel], usual: str, features: Tensor) -> str:
    """The fastest way by its least CPU time; a way that fails here is none."""
    least: dict[str, float] = {}
    for turn in range(ROUNDS + 1):  # the first turn warms up
        for name, way in ways.items():
            if turn and name not in least:
                continue
            began = time.thread_time() if torch.get_num_threads() == 1 else time.perf_counter()
            try:
                way(features)
            except RuntimeError:
                continue
            ended = time.thread_time() if torch.get_num_threads() == 1 else time.perf_counter()
            took = ended - began
            least[name] = took if turn < 2 else min(least[name], took)
    if usual not in least:
        return min(least, key=least.__getitem__, default=usual)
    bound = GAIN * least[usual]
    return min(
        (name for name in least if least[name] < bound), key=least.__getitem__, default=usual
    )


def worth_measuring(inputs: int, outputs: int, kernel: int, height: int, width: int) -> bool:
    """Whether a layer takes long enough for its kernel to matter."""
    return 2 * inputs * outputs * kernel**2 * height * width >= WORTH_MEASURING


def sample_image(channels: int, height: int, width: int) -> Tensor:
    """Noise of a layer's input, (1, C, h, w), of at most `MOST_PIXELS`."""
    rows = max(32, min(height, MOST_PIXELS // width))
    noise = torch.Generator().manual_seed(0)
    image = torch.randn(1, channels, min(rows, height), width, generator=noise)
    return image.contiguous(memory_format=torch.channels_last)


def fastest(shape: str, ways: Mapping[str, Kernel], usual: str, make: Callable[[], Tensor]) -> str:
    """The way to compute a layer on this machine; arguments are those of `KernelChoice.choose`."""
    named = os.environ.get(FILE_VARIABLE, "")
    if named == USUAL:
        return usual
    return _choice_of(named, torch.get_num_threads()).choose(shape, ways, usual, make)


@lru_cache(maxsize=4)
def _choice_of(named: str, threads: int) -> KernelChoice:
    """The choices of a file, read once."""
    del threads
    return KernelChoice(choice_file(), bool(named))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait until no other process measures for this file.

    Raises:
        OSError: If nothing can be written there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
