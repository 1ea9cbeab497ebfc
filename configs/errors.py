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


def one_line(error: BaseException | str, limit: int | None = 200) -> str:
    r"""Write an error as a part of one line: its text, or its kind if it has none.

    Args:
        error: What was raised, or its text.
        limit: The most characters; None cuts nothing, as for messages that flawcast wrote itself.

    Example:
        >>> one_line(OSError("disk\n  full"))
        'disk full'
        >>> one_line(TimeoutError())
        'TimeoutError'
    """
    text = str(error) or (type(error).__name__ if isinstance(error, BaseException) else "")
    return " ".join(text.split())[:limit]
