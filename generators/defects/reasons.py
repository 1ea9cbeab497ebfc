"""Why a defect was not made: one word for a ledger, one line for a person."""

from typing import Literal, get_args

from flawcast.configs.errors import DefectError

Reason = Literal[
    "no_part",  # no part is known that it could be put on
    "too_large",  # fits nowhere on the part
    "region_off_part",  # the region that was asked for has no room on the part
    "off_part",  # lies beside the part
    "faint",  # cannot be told from its surround
    "hidden",  # no frame shows it
    "unstable",  # looks different from frame to frame
    "near_real",  # nearly a copy of a real defect
    "near_sample",  # nearly a copy of another sample
]
REASONS: tuple[Reason, ...] = get_args(Reason)


class RefusedError(DefectError):
    """A defect that was asked for and cannot be made.

    Args:
        reason: The word for a ledger.
        message: The line for a person.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason
