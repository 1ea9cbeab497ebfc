"""The record of a problem that `verify` reports, and what to do about one that ends a write."""

import errno
from dataclasses import dataclass

NEXT_STEPS = {
    errno.EROFS: "it is read-only, choose another folder",
    errno.EACCES: "let this user write there, or choose another folder",
    errno.EPERM: "let this user write there, or choose another folder",
    errno.EDQUOT: "the quota is used up, make room or choose another folder",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENAMETOOLONG: "choose a folder with a shorter name",
}
MAKE_ROOM = "make room or choose another folder"


def next_step(error: OSError) -> str:
    """What to do about a file that could not be written.

    Example:
        >>> next_step(PermissionError(errno.EACCES, "Permission denied"))
        'let this user write there, or choose another folder'
    """
    return NEXT_STEPS.get(error.errno or 0, MAKE_ROOM)


@dataclass(frozen=True)
class StoreProblem:
    """A set or file that is damaged or missing.

    Args:
        set_id: Id of the committed set, or the name of a file with the rows of many sets.
        problem: What is wrong, in one line.
    """

    set_id: str
    problem: str
