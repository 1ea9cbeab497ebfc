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
    "dotenv": "generate",
    "prefect_ray": "generate",
    "prometheus_client": "generate",
    "ray": "generate",
    "psutil": "generate",
    "matplotlib": "generate",
    "fastapi": "generate",
    "uvicorn": "generate",
    "jinja2": "generate",
    "markupsafe": "generate",
    "packaging": "generate",
    "starlette": "generate",
    "h5py": "all",
    "skimage": "all",
}  # package as it is imported -> the smallest extra that brings it
SIZES = ("torch", "generate", "all")  # each extra holds the one before
COMMAND_EXTRAS = {
    "animate": "torch",
    "benchmark": "all",
    "defects": "torch",
    "export": "torch",
    "import-labels": "torch",
    "inspect": "torch",
    "query": "torch",  # for --diverse
    "regenerate": "torch",
    "uplift-images": "all",
}  # all others that lack a package need "generate"


def extra_of_command(name: str) -> str:
    """The extra with which a command does all that it can do, so that no second one is asked for.

    Example:
        >>> extra_of_command("export"), extra_of_command("train")
        ('torch', 'generate')
    """
    return COMMAND_EXTRAS.get(name, "generate")


@contextmanager
def named_if_missing(what: str, at_least: str = "torch") -> Iterator[None]:
    """Turn the failed import of an optional package into one line that says what to install.

    Args:
        what: The name of the public face, or the command, that needs the package.
        at_least: The extra to name even if a smaller one brings the package.

    Raises:
        MissingExtraError: If an optional package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        extra = max(at_least, EXTRAS[package], key=SIZES.index)
        raise MissingExtraError(
            f"{what}: expected the package {package}, which is not installed; "
            f"pip install 'flawcast[{extra}]'"
        ) from error
