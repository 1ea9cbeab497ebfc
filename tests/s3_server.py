"""moto's S3 server with put-if-absent in one step, as real servers have it.

moto looks whether an object is there and then writes it, in threads: of two conditional writes at
the same moment, both may succeed. Amazon S3, MinIO and others let one win.
"""

import threading
from typing import Any

from moto.s3.responses import S3Response
from moto.server import main

_one_at_a_time = threading.Lock()
_put_object = S3Response.put_object


def put_object(self: S3Response) -> Any:
    """Write an object while no other is written."""
    with _one_at_a_time:
        return _put_object(self)


if __name__ == "__main__":
    S3Response.put_object = put_object  # type: ignore[method-assign]
    main()
