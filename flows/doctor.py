"""Checks that a machine can do the work: `flawcast doctor`."""

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import psutil
from packaging.requirements import Requirement

from flawcast.configs.errors import FlawcastError, one_line
from flawcast.flows.generate.request import usable_cores
from flawcast.flows.running.configured_api import configured_api
from flawcast.flows.running.services import services_environment

GIB = 2**30
WORKER_MEMORY = 1.5 * GIB  # bytes of a process with PyTorch, Ray and Prefect loaded, at 64x64
ENOUGH_DISK = 2 * GIB
CHECKED = ("", "torch", "generate")  # extras that making samples needs
FRAME = 64  # size of the pictures that the codecs are tried with


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Args:
        name: What was checked.
        state: "ok", "warning" (works, but not as well as it could) or "error".
        found: What the check found.
        fix: What to do about it; empty if all is well.
    """

    name: str
    state: str
    found: str
    fix: str = ""


def examine(folder: Path, services: bool = True) -> Iterator[Finding]:
    """Check the installation and the machine, one thing after the other.

    Args:
        folder: Where a store would be; its disk is checked.
        services: Start a Prefect server and Ray as well, which takes some ten seconds.
    """
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("python", _python),
        ("packages", _packages),
        ("processor", _processor),
        ("kernels", _kernels),
        ("memory", _memory),
        ("disk", lambda: _disk(folder)),
        ("accelerator", _accelerator),
        ("codecs", _codecs),
        ("models", _models),
    ]
    if services:
        checks += [("prefect", _prefect), ("ray", _ray)]
    for name, check in checks:
        try:
            yield check()
        except Exception as error:  # a failing check is reported, and the others go on
            fix = "install flawcast again in a fresh environment"
            yield Finding(name, "error", one_line(error, limit=None), fix)


def _python() -> Finding:
    """The interpreter."""
    return Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}")


def _packages() -> Finding:
    """Every dependency is there, in a version that flawcast accepts."""
    wrong = []
    for text in metadata.requires("flawcast") or []:
        wanted = Requirement(text)
        if wanted.marker and not any(wanted.marker.evaluate({"extra": name}) for name in CHECKED):
            continue
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{wanted.name} is missing")
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            wrong.append(f"{wanted.name} {version}, expected {wanted.specifier}")
    if wrong:
        fix = "pip install -c constraints.txt -e '.[all]'"
        return Finding("packages", "error", "; ".join(wrong), fix)
    named = ("torch", "prefect", "ray", "zarr", "duckdb")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in named)
    return Finding("packages", "ok", f"flawcast {metadata.version('flawcast')}; {versions}")


def _processor() -> Finding:
    """How many cores this process may use."""
    cores = usable_cores()
    text = f"{cores} core{'s' * (cores != 1)}; as many workers unless --workers says otherwise"
    return Finding("processor", "ok", text)


def _kernels() -> Finding:
    """Which precisions are fast here, and the file of the kernels that are."""
    from flawcast.generators.rendering.kernels import FILE_VARIABLE, USUAL, choice_file, processor
    from flawcast.generators.rendering.precision import has_amx

    name, extensions = processor()
    half = "bf16 (AMX)" if has_amx() else "not bf16, which needs AMX or a GPU"
    precisions = f"{name} ({', '.join(extensions) or 'no known extensions'}): int8, {half}"
    if os.environ.get(FILE_VARIABLE) == USUAL:
        return Finding("kernels", "ok", f"{precisions}; the usual kernels, by {FILE_VARIABLE}")
    path = choice_file()
    when = "measured" if path.is_file() else "measured by the first large rendering, kept in"
    return Finding("kernels", "ok", f"{precisions}; kernels {when}: {path}")


def _memory() -> Finding:
    """Whether a worker per core fits."""
    memory = psutil.virtual_memory()
    total = memory.total
    text = f"{total / GIB:.1f} GiB, {memory.available / GIB:.1f} GiB of it available"
    if total < WORKER_MEMORY * usable_cores():
        fits = max(1, int(total // WORKER_MEMORY))
        return Finding("memory", "warning", text, f"give --workers {fits}")
    return Finding("memory", "ok", text)


def _disk(folder: Path) -> Finding:
    """Room for a store and for the temporary files of Prefect and Ray."""
    places = {"here": folder, "temporary files": Path(tempfile.gettempdir())}
    free = {name: shutil.disk_usage(place).free for name, place in places.items()}
    text = ", ".join(f"{size / GIB:.1f} GiB free {name}" for name, size in free.items())
    text = text.replace("free temporary files", "free for temporary files")
    for name, place in places.items():
        if not os.access(place, os.W_OK):
            fix = f"make {place} writable or choose another folder"
            return Finding("disk", "error", f"{name}: cannot write in {place}", fix)
    if min(free.values()) < ENOUGH_DISK:
        return Finding("disk", "warning", text, "make room: a night's run may need gigabytes")
    return Finding("disk", "ok", text)


def _accelerator() -> Finding:
    """A GPU that PyTorch can use, or why not."""
    import torch

    if torch.cuda.is_available():
        device = torch.cuda.get_device_properties(0)
        text = f"{torch.cuda.device_count()} x {device.name}, {device.total_memory / GIB:.0f} GiB"
        return Finding("accelerator", "ok", text)
    if shutil.which("nvidia-smi"):
        why = "a driver is installed, but this PyTorch does not see a GPU"
        fix = "install a PyTorch build for CUDA and see what nvidia-smi says"
        return Finding("accelerator", "warning", why, fix)
    return Finding("accelerator", "ok", "none; all runs on the CPU")


def _codecs() -> Finding:
    """Every kind of video is written and read back."""
    from flawcast.configs.clip_settings import ClipSettings
    from flawcast.generators.clips import read_clip
    from flawcast.generators.clips.video_files import SUFFIXES, write_video

    ramp = np.linspace(0, 255, FRAME, dtype=np.uint8)
    frames = np.stack([np.roll(np.tile(ramp, (FRAME, 1)), 4 * k, axis=1) for k in range(6)])
    video = np.repeat(frames[..., None], 3, axis=-1)
    wrong = []
    with tempfile.TemporaryDirectory(prefix="flawcast-") as folder:
        for suffix in SUFFIXES:
            path = Path(folder) / f"ramp{suffix}"
            try:
                write_video(path, video, 12.0)
                count = len(read_clip(path, ClipSettings(size=FRAME)).frames)
                if count != len(video):
                    wrong.append(f"{suffix}: {count} of {len(video)} frames came back")
            except (FlawcastError, OSError, ValueError) as error:
                wrong.append(f"{suffix}: {error}")
    if wrong:
        fix = "pip install --force-reinstall av pillow"
        return Finding("codecs", "error", "; ".join(wrong), fix)
    kinds = "H.264 (.mp4), FFV1 (.mkv) and .gif"
    return Finding("codecs", "ok", f"{kinds} are written and read")


def _models() -> Finding:
    """The shipped models load."""
    from flawcast.generators.model import find_model, load_model, shipped_models

    names = shipped_models()
    for name in names:
        load_model(find_model(name))
    return Finding("models", "ok", f"shipped: {', '.join(names)}")


def _prefect() -> Finding:
    """A Prefect server answers: the configured one, or one that is started as a run does."""
    began = time.monotonic()
    configured = configured_api()
    with services_environment(None) as folder:
        from flawcast.flows.running.prefect_server import prefect_api

        try:
            with prefect_api(folder) as url:
                pass
        except FlawcastError as error:
            fix = "start that server, or unset PREFECT_API_URL for one of a run's own"
            if not configured:
                fix = "see the reason, or start one yourself and set PREFECT_API_URL"
            return Finding("prefect", "error", one_line(error, limit=None), fix)
    seconds = time.monotonic() - began
    whose = f"the server at {url} answers" if configured else f"a server starts in {seconds:.0f} s"
    return Finding("prefect", "ok", whose)


def _ray() -> Finding:
    """Ray starts a worker that can import flawcast."""

    def imported() -> str:
        import flawcast.generators.model

        return flawcast.generators.model.__name__

    began = time.monotonic()
    with services_environment(None) as folder:
        import ray

        from flawcast.flows.running.services import ray_workers

        with ray_workers(None, 1, folder):
            ray.get(ray.remote(imported).remote())
    return Finding("ray", "ok", f"a worker starts in {time.monotonic() - began:.0f} s")
