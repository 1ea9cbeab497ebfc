"""What a watch knows of good footage: how seldom it shows a score, and how parts of it move."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from flawcast.configs.errors import ModelError, SettingsError
from flawcast.configs.files import whole_file
from flawcast.configs.frozen import Settings
from flawcast.configs.settings import validated
from flawcast.selection.surprise.alarm_rate import Peaks
from flawcast.selection.surprise.tails import Tail

Floats = NDArray[np.floating]

FILE = "watch.json"
LEAST_SPREAD = 0.05  # of a logarithm: parts that are all alike differ by so much
FEWEST_PACES = 30


class WatchSettings(Settings):
    """How a stream is watched.

    Args:
        past: Frames that a forecast is made from.
        future: Frames that it reaches.
        samples: Futures of each forecast.
        every: Frames between two forecasts of a part.
        side: Short side of the frames at most, in pixels; a learned model has its own.
        smooth: Frames over which scores are averaged, the last ones.
        quiet_seconds: So much time below the threshold ends an alarm.
    """

    past: int = Field(12, ge=2)
    future: int = Field(12, ge=1)
    samples: int = Field(64, ge=8)
    every: int = Field(4, ge=1)
    side: int = Field(240, ge=32)
    smooth: int = Field(3, ge=1)
    quiet_seconds: float = Field(0.5, gt=0)


class Pace(Settings):
    """How fast and how large good parts are.

    Args:
        mean: Of the logarithms of speed and area, (2,).
        inverse: Inverse covariance of these, (2, 2).
    """

    mean: tuple[float, ...]
    inverse: tuple[tuple[float, ...], ...]

    @staticmethod
    def fitted(paces: Sequence[Floats]) -> "Pace | None":
        """The paces of good parts, (2,) each; None if they are too few."""
        if len(paces) < FEWEST_PACES:
            return None
        rows = np.stack(paces).astype(np.float64)
        spread = np.cov(rows.T) + LEAST_SPREAD**2 * np.eye(rows.shape[1])
        inverse = np.linalg.inv(spread)
        return Pace(
            mean=tuple(float(value) for value in rows.mean(0)),
            inverse=tuple(tuple(float(value) for value in row) for row in inverse),
        )

    def distance(self, pace: Floats) -> float:
        """Squared Mahalanobis distance of a part from good ones."""
        apart = np.asarray(pace, np.float64) - self.mean
        return float(apart @ np.array(self.inverse) @ apart)


class StoredTail(Settings):
    """A `Tail` as it is stored."""

    knots: tuple[float, ...]
    slope: float


class Calibration(Settings):
    """Everything that a watch adds to a model.

    Args:
        format: What the file is.
        version: Of the format.
        settings: How streams are watched.
        pace: How good parts move.
        tails: How seldom good footage shows a score, by kind.
        level: Peaks above it are kept.
        peaks: Highest scores of good footage, by stream.
        hours: Length of that footage.
        clips: Ids of the good clips that calibrate, by name; none of them fitted the forecaster
            that scored it.
    """

    format: Literal["flawcast-watch"] = "flawcast-watch"
    version: Literal[1] = 1
    settings: WatchSettings
    pace: Pace | None
    tails: dict[str, StoredTail]
    level: float
    peaks: tuple[tuple[float, ...], ...]
    hours: float
    clips: dict[str, str] = Field(default_factory=dict)

    def of_good(self) -> Peaks:
        """What good footage shows of high scores."""
        return Peaks(self.level, self.peaks, self.hours)

    def by_kind(self) -> dict[str, Tail]:
        """The tails."""
        return {name: Tail(one.knots, one.slope) for name, one in self.tails.items()}

    def write(self, folder: Path) -> None:
        """Write it beside a model, in one step."""
        with whole_file(folder / FILE) as draft:
            draft.write_text(json.dumps(self.model_dump(mode="json")) + "\n")


def stored(tails: Mapping[str, Tail]) -> dict[str, StoredTail]:
    """Tails as they are stored."""
    return {name: StoredTail(knots=one.knots, slope=one.slope) for name, one in tails.items()}


def read_calibration(folder: Path) -> Calibration:
    """What stands beside a model.

    Raises:
        ModelError: If nothing does, or it cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        raise ModelError(
            f"model {folder}: expected one that was calibrated on good clips, found no {FILE}; "
            f"calibrate it: flawcast watch --calibrate GOOD_CLIPS --model {folder}"
        )
    try:
        return validated(Calibration, json.loads(path.read_text()), f"{path}")
    except (ValueError, SettingsError) as error:
        raise ModelError(
            f"model {folder}: cannot read {FILE}: {error}; calibrate it again"
        ) from None
