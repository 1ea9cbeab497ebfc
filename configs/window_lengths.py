"""How long a window is: in frames, or in seconds that become frames once the clips are known."""

import re
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from flawcast.configs.errors import SettingsError
from flawcast.configs.frozen import Settings

PARTS = ("past", "future")
SECONDS = re.compile(r"(\d+\.?\d*|\.\d+) ?(s|ms)")
LONGEST_SECONDS = 86_400.0


class WindowLengths(Settings):
    """P observed frames and F future ones, each a number, or a time such as "0.5s".

    A time is kept in `past_seconds` or `future_seconds`. Until the clips' rate makes frames of it
    (`in_frames`), the number of frames counts as not given.

    Args:
        past: P.
        future: F.
        past_seconds: Instead of `past`.
        future_seconds: Instead of `future`.
    """

    past: int = Field(default=12, ge=1)
    future: int = Field(default=12, ge=2)
    past_seconds: float | None = Field(default=None, gt=0, le=LONGEST_SECONDS)
    future_seconds: float | None = Field(default=None, gt=0, le=LONGEST_SECONDS)

    @model_validator(mode="before")
    @classmethod
    def _read_times(cls, values: Any) -> Any:
        """Take texts with a unit for seconds.

        Raises:
            SettingsError: If a text is neither, or both frames and seconds are given.
        """
        if not isinstance(values, dict):
            return values
        values = dict(values)
        for name in PARTS:
            seconds = f"{name}_seconds"
            if isinstance(values.get(name), str):
                found = seconds_of(name, values[name])
                if found is not None:
                    del values[name]
                    if values.get(seconds, found) != found:
                        raise SettingsError(f"{name}: expected one time, got two; leave out one")
                    values[seconds] = found
            if values.get(seconds) is not None and values.get(name) is not None:
                raise SettingsError(
                    f"{name}: expected frames or seconds, got both, {values[name]} and "
                    f"{values[seconds]} s; leave out one"
                )
        return values

    @model_serializer(mode="wrap")
    def _without_default(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write frames alone where they are known, and otherwise the time that was asked for."""
        return self._frames_or_seconds(dump(self))

    def _frames_or_seconds(self, values: dict[str, Any]) -> dict[str, Any]:
        """A dump without seconds that have become frames: sets are the same, however asked for."""
        for name in PARTS:
            seconds = values.pop(f"{name}_seconds", None)
            if seconds is not None and name not in self.model_fields_set:
                values.pop(name, None)
                values[f"{name}_seconds"] = seconds
        return values

    def all_lengths(self) -> dict[str, Any]:
        """All four values, for other settings of windows."""
        return {name: getattr(self, name) for name in WindowLengths.model_fields}

    @property
    def open_parts(self) -> tuple[str, ...]:
        """Parts whose time has not become frames yet."""
        return tuple(
            name
            for name in PARTS
            if getattr(self, f"{name}_seconds") is not None and name not in self.model_fields_set
        )


def seconds_of(name: str, text: str) -> float | None:
    """The seconds that a text names; None for a plain number, which means frames.

    Args:
        name: What it is of, for the error.
        text: What the user wrote.

    Raises:
        SettingsError: If it is neither.

    Example:
        >>> seconds_of("past", "0.5s"), seconds_of("past", "250 ms"), seconds_of("past", "12")
        (0.5, 0.25, None)
    """
    text = text.strip()
    if re.fullmatch(r"[+-]?\d+", text):
        return None
    match = SECONDS.fullmatch(text)
    if match is None:
        raise SettingsError(
            f"{name}: expected frames, such as 12, or a time, such as 0.5s or 500ms, got {text!r}"
        )
    return float(match.group(1)) / (1000 if match.group(2) == "ms" else 1)
