"""The environment of services that flawcast starts: made from a list of what they need.

A Prefect server and a Ray of our own must not take the settings of somebody else's: proxies, HOME
folders that cannot be written to, `PREFECT_*` and `RAY_*` variables for other servers. What the
user configured on purpose (`PREFECT_API_URL`, `--ray-address`, buckets) is used as configured.
"""

import importlib.util
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from flawcast.configs.caches import VARIABLE as CACHE
from flawcast.configs.caches import cache_folder
from flawcast.configs.proxies import PROXIES, hidden, spare_loopback

QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # Logs go to the Prefect server; the terminal shows our own lines, without tracebacks.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_CLI_COLORS": "false",
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray looks for accelerators by itself; without any it must not hide them from torch either.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
LOG_LEVEL = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"
NEEDED = {  # of the system, the terminal and the interpreter
    *("PATH", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT"),
    *("TERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"),
    *("PYTHONHOME", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
    *("PYTHONWARNINGS", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONUNBUFFERED"),
}
NEEDED_KINDS = (  # of computing, of buckets, and our own
    *("LC_", "CUDA_", "NVIDIA_", "HIP_", "ROCR_", "OMP_", "MKL_", "KMP_", "OPENBLAS_", "DNNL_"),
    *("ONEDNN_", "ATEN_", "TORCH", "PYTORCH_", "MALLOC_", "AWS_", "FLAWCAST_"),
)
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # a bucket's, where they exist
IMPORTED = ("flawcast", "prefect", "ray", "torch", "numpy")
HOME, PREFECT_HOME = "home", "prefect"


def clean(
    environment: Mapping[str, str], folder: Path, api: str | None = None, own_ray: bool = True
) -> dict[str, str]:
    """The environment for services, and for the part of this process that talks to them.

    Args:
        environment: The user's.
        folder: The run's folder; what services want to write to a HOME goes there.
        api: The address of the Prefect server that the user configured; None for one of our own.
        own_ray: Whether Ray is our own too; the user's cluster may need HOME and `RAY_*`.
    """
    made = {
        name: value
        for name, value in environment.items()
        if name in NEEDED or name.startswith(NEEDED_KINDS)
    }
    made |= {
        name: environment[name]
        for name in CERTIFICATES
        if environment.get(name) and Path(environment[name]).exists()
    }
    own_folders = _import_path(environment)
    made |= {"PYTHONPATH": own_folders} if own_folders else {}
    (folder / HOME).mkdir(exist_ok=True)
    made |= {"HOME": str(folder / HOME)} | QUIET
    if environment.get(LOG_LEVEL) in ("DEBUG", "INFO", "WARNING", "ERROR"):
        made[LOG_LEVEL] = environment[LOG_LEVEL]
    if not own_ray:
        made |= {name: value for name, value in environment.items() if name.startswith("RAY_")}
        made["HOME"] = environment.get("HOME", made["HOME"])
    if api is None:
        made["PREFECT_HOME"] = str(folder / PREFECT_HOME)
    else:
        made |= {name: value for name, value in environment.items() if name.startswith("PREFECT_")}
        made["PREFECT_API_URL"] = api
        made.setdefault("PREFECT_HOME", str(prefect_home(environment)))
    if api is None or is_loopback(api):
        return made | hidden(environment)
    made |= {name: environment[name] for name in PROXIES if name in environment}
    spare_loopback(made)
    return made


@contextmanager
def clean_environment(folder: Path, api: str | None, own_ray: bool) -> Iterator[None]:
    """Give this process the environment of its services, which inherit it; put it back after.

    Prefect and Ray read their settings when they are imported, so enter it before.
    """
    before = dict(os.environ)
    made = clean(before, folder, api, own_ray)
    if own_ray:  # workers share what this machine measured, wherever their HOME is
        made.setdefault(CACHE, str(cache_folder()))
    _replace(made)
    try:
        yield
    finally:
        _replace(before)


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Work in a folder for as long as this context lasts.

    Prefect reads settings from `.env`, `prefect.toml` and `pyproject.toml` of the working folder,
    and so do the processes that Ray starts. Those of the user are for another server, or another
    program.
    """
    try:
        before = Path.cwd()
    except OSError:  # it has gone, and its files with it
        yield
        return
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def prefect_home(environment: Mapping[str, str]) -> Path:
    """The folder of the user's Prefect profiles."""
    try:
        return Path(environment.get("PREFECT_HOME") or Path.home() / ".prefect").expanduser()
    except RuntimeError:  # a user without a HOME
        return Path("/nonexistent")


def is_loopback(url: str) -> bool:
    """Whether an address is of this machine.

    Example:
        >>> is_loopback("http://127.0.0.1:4200/api"), is_loopback("https://api.prefect.cloud/api")
        (True, False)
    """
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host == "::1" or host.startswith("127.")


def _import_path(environment: Mapping[str, str]) -> str:
    """Those folders of PYTHONPATH that hold packages of ours or that we need, as whole paths.

    The others are the user's: `queue.py` there would be imported instead of Python's.
    """
    places = [
        Path(spec.origin).resolve().parents[1]
        for spec in map(importlib.util.find_spec, IMPORTED)
        if spec is not None and spec.origin is not None
    ]
    folders = [Path(part) for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part]
    return os.pathsep.join(str(path.absolute()) for path in folders if path.resolve() in places)


def _replace(environment: Mapping[str, str]) -> None:
    """Make the environment of this process equal to another one."""
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)
