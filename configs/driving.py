"""How the sets of `augment` move: a clip's own motion, and futures near to it."""

from pydantic import Field

from flawcast.configs.frozen import Settings


class Driving(Settings):
    """Which motions a set of `augment` holds; all of them are kept.

    Args:
        real: Videos that repeat the clip's real motion; the others move as sampled futures.
        drawn: Futures that are sampled. Those nearest to what really happened are used, so that
            the label stays true.
        turn: How often the same motion was put on the same source before, so that later sets get
            other futures.
    """

    real: int = Field(default=1, ge=0, le=1)
    drawn: int = Field(default=20, ge=1)
    turn: int = Field(default=0, ge=0)
