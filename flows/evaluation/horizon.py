"""Past and future of an evaluation's windows, as "12-12" names them."""

import re

from pydantic import Field

from flawcast.configs.errors import SettingsError
from flawcast.configs.settings import Settings


class Horizon(Settings):
    """P observed and F predicted frames."""

    past: int = Field(ge=1, le=10_000)
    future: int = Field(ge=2, le=10_000)

    def __str__(self) -> str:
        """The text on the command line and in tables."""
        return f"{self.past}-{self.future}"

    @property
    def length(self) -> int:
        """Frames of a window."""
        return self.past + self.future


def horizons(text: str) -> tuple[Horizon, ...]:
    """Read "12-12,6-24".

    Raises:
        SettingsError: If the text has another form.

    Example:
        >>> [str(horizon) for horizon in horizons("12-12, 6-24")]
        ['12-12', '6-24']
    """
    parsed = []
    for part in dict.fromkeys(part.strip() for part in text.split(",")):
        match = re.fullmatch(r"(\d{1,4})-(\d{1,4})", part)
        past, future = map(int, match.groups()) if match else (0, 0)
        if past < 1 or future < 2:
            raise SettingsError(
                f"horizons: expected PAST-FUTURE like 12-12, with a past of 1 and a future of 2 "
                f"frames at least, got {part!r}; several are separated by commas"
            )
        parsed.append(Horizon(past=past, future=future))
    return tuple(parsed)
