"""Which optional packages belong to which extra, so that a missing one is named in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from flawcast.configs.errors import MissingExtraError

EXTRAS = {
    "torch": "torch",
    "safetensors": "torch",
    "av": "torch",
    "cv2": "torch",
    "scipy": "generate",
    "prefect": "generate",
    "prefect_ray": "generate",
    "ray": "generate",
    "psutil": "generate",
    "matplotlib": "generate",
    "fastapi": "generate",
    "uvicorn": "generate",
    "jinja2": "generate",
    "h5py": "all",
    "skimage": "all",
}  # package as it is imported -> the smallest extra that brings it


@contextmanager
def named_if_missing(what: str) -> Iterator[None]:
    """Turn the failed import of an optional package into one line that says what to install.

    Args:
        what: What was asked for: a name of the public face, or a command.

    Raises:
        MissingExtraError: If an optional package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise MissingExtraError(
            f"{what}: expected the package {package}, which is not installed; "
            f"pip install 'flawcast[{EXTRAS[package]}]'"
        ) from error
