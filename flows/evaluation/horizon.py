"""Past and future of an evaluation's windows, as "12-12" names them."""

from collections.abc import Sequence

from pydantic import Field, ValidationError

from flawcast.configs.errors import SettingsError
from flawcast.configs.window_lengths import PARTS, WindowLengths


class Horizon(WindowLengths):
    """P observed and F predicted frames."""

    past: int = Field(default=12, ge=1, le=10_000)
    future: int = Field(default=12, ge=2, le=10_000)

    def __str__(self) -> str:
        """The text on the command line and in tables."""
        return "-".join(
            f"{getattr(self, f'{name}_seconds'):g}s"
            if name in self.open_parts
            else str(getattr(self, name))
            for name in PARTS
        )

    @property
    def length(self) -> int:
        """Frames of a window."""
        return self.past + self.future


def horizons(text: str) -> tuple[Horizon, ...]:
    """Read "12-12,6-24", or times such as "0.5s-1s".

    Raises:
        SettingsError: If the text has another form.

    Example:
        >>> [str(horizon) for horizon in horizons("12-12, 6-24")]
        ['12-12', '6-24']
    """
    parsed = []
    for part in dict.fromkeys(part.strip() for part in text.split(",")):
        past, _, future = part.partition("-")
        try:
            parsed.append(Horizon.model_validate({"past": past, "future": future}))
        except (ValidationError, SettingsError):
            raise SettingsError(
                f"horizons: expected PAST-FUTURE like 12-12 or 0.5s-1s, with a past of 1 and a "
                f"future of 2 frames at least, got {part!r}; several are separated by commas"
            ) from None
    return tuple(parsed)


def without_times(wanted: Sequence[Horizon]) -> None:
    """Refuse times where nothing says how many frames a second are.

    Raises:
        SettingsError: If a horizon is asked for in seconds.
    """
    for horizon in wanted:
        if horizon.open_parts:
            raise SettingsError(
                f"horizons: expected frames for keypoint files, which have no times, got "
                f"{horizon}; give numbers of frames"
            )
