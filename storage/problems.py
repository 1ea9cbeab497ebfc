"""The record of a problem that `verify` reports."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StoreProblem:
    """A set or file that is damaged or missing.

    Args:
        set_id: Id of the committed set, or the name of a file with the rows of many sets.
        problem: What is wrong, in one line.
    """

    set_id: str
    problem: str
