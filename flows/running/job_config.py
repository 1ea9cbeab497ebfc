"""Keep all folders off the workers' import path except the one that holds flawcast."""

import os
from pathlib import Path
from typing import Any

from ray.job_config import JobConfig

import flawcast

HOME = Path(flawcast.__file__).resolve().parent


class OwnCodeOnly(JobConfig):
    """Keeps the script's folder and the working folder off the workers' path.

    Ray puts both before all else, so that a user's `queue.py` or `tokenize.py` would be imported
    instead of Python's. Workers run nothing but flawcast, which is installed or on `PYTHONPATH`;
    a folder stays if the driver found flawcast there, as in a clone.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._here = os.path.abspath(os.curdir)  # noqa: PTH100 - Ray is started in another folder

    def _get_proto_job_config(self) -> Any:
        """The configuration that Ray sends to its processes; Ray has added its folders by then."""
        self._py_driver_sys_path = [
            folder
            for folder in dict.fromkeys([*self._py_driver_sys_path, self._here])
            if Path(folder, "flawcast").resolve() == HOME
        ]
        return super()._get_proto_job_config()  # type: ignore[no-untyped-call]
