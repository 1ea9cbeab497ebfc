"""What `verify` says of something that is damaged."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StoreProblem:
    """Something that is damaged or missing.

    Args:
        set_id: The committed set; for a file with the rows of many sets, that file's name.
        problem: What is wrong.
    """

    set_id: str
    problem: str
