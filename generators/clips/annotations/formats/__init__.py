"""One format, one file, found by name: see `base.READERS`."""
