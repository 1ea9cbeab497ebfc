"""Where a user's caches are, also for workers whose HOME is the run's folder."""

import os
from pathlib import Path

from platformdirs import user_cache_path

VARIABLE = "FLAWCAST_CACHE"


def cache_folder() -> Path:
    """The folder of all caches: that of `FLAWCAST_CACHE`, or the user's usual one."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else user_cache_path("flawcast")
