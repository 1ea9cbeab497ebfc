"""A store's files in a bucket of an S3-compatible object store, which has no rename and no links.

An object appears whole or not at all, and a conditional write (If-None-Match) never replaces one.
The store's last step needs no more. The server must honour the condition (Amazon S3, MinIO, Ceph,
Cloudflare R2 and others do).
"""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import obstore
import pyarrow as pa
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, PreconditionError
from obstore.store import S3Store
from zarr.storage import ObjectStore

from flawcast.configs.errors import StoreError, one_line
from flawcast.configs.proxies import proxy_for
from flawcast.storage.place import Item, Place, UnsettledError

TIMEOUT, CONNECT_TIMEOUT = "60s", "10s"
CREDENTIALS = (  # without any of them the client would look for a role in the network
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
    "AWS_SKIP_SIGNATURE",
)
SENT_AT_ONCE = 8  # objects of one set that are sent in parallel
LISTED = 1000  # names per answer of the server


class S3Place(Place):
    """A prefix of a bucket; endpoint, region and credentials are those of the AWS_* variables.

    Args:
        url: "s3://bucket/prefix".

    Raises:
        StoreError: If the URL names no bucket, or a variable has a value that cannot work.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        if not self._bucket or parts.query or parts.fragment:
            raise StoreError(f"store: expected s3://BUCKET/PREFIX, got {url}; name a bucket")
        self.url = f"s3://{self._bucket}/{self._prefix}".rstrip("/")
        self._connect()

    def __getstate__(self) -> dict[str, str]:
        """Leave out credentials and connections: each process makes its own."""
        return {"url": self.url, "_bucket": self._bucket, "_prefix": self._prefix}

    def __setstate__(self, state: dict[str, str]) -> None:
        self.__dict__.update(state)
        self._connect()

    def _connect(self) -> None:
        """Make the client; it does not contact the server yet."""
        if not any(os.environ.get(name) for name in CREDENTIALS):
            raise StoreError(
                f"store {self.url}: expected credentials, found none; set AWS_ACCESS_KEY_ID and "
                f"AWS_SECRET_ACCESS_KEY, or one of {', '.join(CREDENTIALS[1:])}"
            )
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        options: dict[str, Any] = {"timeout": TIMEOUT, "connect_timeout": CONNECT_TIMEOUT}
        if endpoint and endpoint.startswith("http://"):
            options["allow_http"] = True
        proxy = proxy_for(endpoint or f"https://{self._bucket}.s3.amazonaws.com")
        if proxy:  # of the user, while services of our own run without
            options["proxy_url"] = proxy
        try:
            self._store = S3Store(
                self._bucket,
                prefix=self._prefix or None,
                client_options=options,  # type: ignore[arg-type]
                **({"endpoint": endpoint} if endpoint else {}),  # type: ignore[arg-type]
            )
        except BaseError as error:
            raise StoreError(f"store {self.url}: {_line(error)}; see the AWS_* variables") from None

    def read(self, name: str) -> bytes:
        """The bytes of an object."""
        with _as_os_errors(name):
            return bytes(obstore.get(self._store, name).bytes())

    def read_range(self, name: str, start: int, size: int) -> bytes:
        """Some bytes of an object, by one request."""
        with _as_os_errors(name):
            return bytes(obstore.get_range(self._store, name, start=start, length=size))

    def read_tail(self, name: str, size: int) -> bytes:
        """The last bytes of an object, by one request."""
        with _as_os_errors(name):
            return bytes(
                obstore.get(self._store, name, options={"range": {"suffix": size}}).bytes()
            )

    def open(self, name: str) -> pa.NativeFile:
        """An object, fetched whole: parts are read once, and most of their columns are needed."""
        return pa.BufferReader(self.read(name))

    def put_new(self, name: str, data: bytes) -> bool:
        """Write an object only if none has its name.

        If the answer to a request is lost, the client repeats the request, and the server says that
        the name is taken: by our own object. So the bytes decide. Rows and manifests hold a nonce,
        so no two of them are equal.
        """
        try:
            obstore.put(self._store, name, data, mode="create", use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            try:
                return self.read(name) == data
            except OSError as error:
                raise UnsettledError(f"{name}: {_line(error)}") from error
        except FileNotFoundError as error:
            raise OSError(f"{name}: {_line(error)}") from error
        except BaseError as error:
            raise UnsettledError(f"{name}: {_line(error)}") from error
        return True

    def replace(self, name: str, data: bytes) -> None:
        """Write an object, replacing an older one."""
        with _as_os_errors(name):
            obstore.put(self._store, name, data, use_multipart=False)

    def exists(self, name: str) -> bool:
        """Whether there is an object of this name."""
        try:
            with _as_os_errors(name):
                obstore.head(self._store, name)
        except FileNotFoundError:
            return False
        return True

    def names(self, folder: str, prefix: str = "") -> Iterator[str]:
        """Names in a folder, sorted, without repetitions."""
        last, start = "", None
        if prefix:  # a server lists names after a given one: start just before the prefix
            start = f"{folder}/{prefix[:-1]}{chr(ord(prefix[-1]) - 1)}~"
        for item in self._list(folder, start):
            name = item.name.removeprefix(f"{folder}/").split("/", 1)[0]
            if name > prefix and not name.startswith(prefix):
                return
            if name != last and name.startswith(prefix):
                last = name
                yield name

    def walk(self, name: str) -> Iterator[Item]:
        """An object, or all below a prefix."""
        is_folder = False
        for item in self._list(name):
            is_folder = True
            yield item
        if not is_folder:
            try:
                with _as_os_errors(name):
                    yield _item(obstore.head(self._store, name))
            except FileNotFoundError:
                return

    def remove(self, name: str) -> None:
        """Remove an object, or all below a prefix."""
        paths = [item.name for item in self.walk(name)]
        with _as_os_errors(name):
            if paths:
                obstore.delete(self._store, paths)

    def put_folder(self, folder: str, contents: Mapping[str, bytes]) -> None:
        """Send the objects, several at a time."""
        with ThreadPoolExecutor(SENT_AT_ONCE) as pool:
            sent = [
                pool.submit(self.replace, f"{folder}/{name}", data)
                for name, data in contents.items()
            ]
        for done in sent:
            done.result()

    def arrays(self, folder: str) -> tuple[Any, str]:
        """The whole bucket prefix, and the folder's path in it."""
        return ObjectStore(self._store, read_only=True), folder

    def make_folders(self, *folders: str) -> None:
        """Nothing: a bucket has names only."""

    def _list(self, folder: str, start: str | None = None) -> Iterator[Item]:
        """All objects below a folder in the order of their names, from `start` on."""
        with _as_os_errors(folder):
            for chunk in obstore.list(self._store, folder or None, offset=start, chunk_size=LISTED):
                yield from map(_item, chunk)


def _item(meta: Any) -> Item:
    """Name, size and time of an object."""
    return Item(meta["path"], meta["size"], meta["last_modified"].timestamp())


@contextmanager
def _as_os_errors(name: str) -> Iterator[None]:
    """Raise the client's errors as OSErrors, like those of files."""
    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        raise FileNotFoundError(2, "not found", name) from error
    except BaseError as error:
        raise OSError(f"{name}: {_line(error)}") from error


def _line(error: Exception) -> str:
    """A client's error without its debug output."""
    return one_line(str(error).partition("\n\nDebug")[0], limit=300)
