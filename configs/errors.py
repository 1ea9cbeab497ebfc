"""The errors that users meet: each says what was wanted, what was found and what to do next."""


class FlawcastError(Exception):
    """Base of every error raised on purpose; the command line prints it as one line."""


class ShapeError(FlawcastError, ValueError):
    """An array's axes are not those that were asked for."""


class SettingsError(FlawcastError, ValueError):
    """A setting, preset or command-line option has a value that cannot work."""


class ClipError(FlawcastError, ValueError):
    """A clip cannot be used; the message names the file and the reason."""


class ModelError(FlawcastError, ValueError):
    """A model folder is absent, damaged, or does not fit what it is asked to do."""


class StoreError(FlawcastError, ValueError):
    """A store is absent, damaged, or of a version that this code does not read."""


class QueryError(FlawcastError, ValueError):
    """A query expression is not valid SQL for the store's columns."""


class MissingExtraError(FlawcastError, ImportError):
    """Packages that a part of flawcast needs are not installed; the message says which extra."""


class LeakError(FlawcastError):
    """Samples that come from clips of the test split were about to be trained with."""
