"""What a store's address names: a local folder, or a prefix of a bucket."""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from flawcast.configs.errors import StoreError
from flawcast.storage.local import LocalPlace
from flawcast.storage.place import Place


def whole_address(url: str) -> str:
    """The same address for a process in another working directory."""
    return url if "://" in url else str(Path(url).absolute())


def open_place(url: str | Path) -> Place:
    """The folder that a path, a file:// URL or an s3:// URL names.

    Raises:
        StoreError: If it is a URL of another kind.
    """
    text = str(url)
    if text.startswith("s3://"):
        # Imported here, because the S3 client takes a moment to load.
        from flawcast.storage.s3 import S3Place

        return S3Place(text)
    if "://" not in text:
        return LocalPlace(Path(text))
    parts = urlsplit(text)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise StoreError(
            f"store: expected a path, a file:// URL or an s3:// URL, got {text}; choose one"
        )
    return LocalPlace(Path(url2pathname(parts.path)))
