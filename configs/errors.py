"""The errors that users see: each says what was expected, what it got, and the next step."""


class FlawcastError(Exception):
    """Base of every error raised on purpose; the command line prints it as one line."""


class ShapeError(FlawcastError, ValueError):
    """An array does not have the expected axes."""


class SettingsError(FlawcastError, ValueError):
    """A setting, preset or command-line option has a value that cannot work."""


class ClipError(FlawcastError, ValueError):
    """A clip cannot be used; the message names the file and the reason."""


class AnnotationError(FlawcastError, ValueError):
    """A file of labels or masks cannot be read, or does not fit the clips that it is about."""


class NothingToFollowError(ClipError):
    """A clip shows no part that can be followed; the others of its folder may."""


class ModelError(FlawcastError, ValueError):
    """A model folder is absent, damaged, or does not fit its use."""


class DefectError(FlawcastError, ValueError):
    """A defect cannot be read, placed or drawn as it was asked for."""


class StoreError(FlawcastError, ValueError):
    """A store is absent, damaged, or of a version that this code does not read."""


class QueryError(FlawcastError, ValueError):
    """A query expression is not valid SQL for the store's columns."""


class MissingExtraError(FlawcastError, ImportError):
    """Packages that a part of flawcast needs are not installed; the message says which extra."""


class LeakError(FlawcastError):
    """Samples from clips of the test split were about to get into training."""


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
