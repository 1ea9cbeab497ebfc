"""What a set's row says of how it was made: the JSON text of its column `settings` as a record."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import ValidationError

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.defect_settings import SetDefect
from flawcast.configs.errors import StoreError
from flawcast.configs.frozen import Settings
from flawcast.configs.settings import GenerateSettings

Known = TypeVar("Known", bound=Settings)


@dataclass(frozen=True)
class SetMasks:
    """Which masks a set has; it belongs to what the set's id is a hash of.

    Args:
        kind: "drawn" for those of the source frame carried along, "motion" for maps of motion
            difference.
        id: The kind, and for drawn ones the hash of what is drawn on the source frame.
    """

    kind: str
    id: str = ""


@dataclass(frozen=True)
class SetSettings:
    """How a set was made.

    Whoever commits sets of their own may write any JSON, so every value may be missing.

    Args:
        generate: What decides its content; None where the row does not say, or says what this
            flawcast does not know.
        clips: How its clips were read; None likewise.
        source_split: Split of the clip whose frame is animated; empty without.
        masks: Which masks it has; None without.
        defect: The defect or placebo that it was asked to have; None without.
        hashed: `generate` as the row says it, which the set's id is a hash of; None where it says
            nothing. It may be of another version of flawcast.
    """

    generate: GenerateSettings | None = None
    clips: ClipSettings | None = None
    source_split: str = ""
    masks: SetMasks | None = None
    defect: SetDefect | None = None
    hashed: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    def to_json(self) -> str:
        """The text that the row holds."""
        said: dict[str, Any] = {"source_split": self.source_split}
        for name, part in (("generate", self.generate), ("clips", self.clips)):
            if part is not None:
                said[name] = part.model_dump(mode="json")
        if self.masks is not None:
            said["masks"] = asdict(self.masks)
        if self.defect is not None:
            said["defect"] = self.defect.to_json()
        return json.dumps(said, sort_keys=True)

    @staticmethod
    def parse(text: str) -> "SetSettings":
        """Read the text of a row.

        Raises:
            StoreError: If it is not JSON, or does not say which kind of masks it has.
        """
        if not isinstance(text, str):
            raise StoreError(f"settings: expected JSON text, got {type(text).__name__}")
        return _parse(text)

    @property
    def mask_kind(self) -> str | None:
        """What the masks are: "drawn", "motion", or None without."""
        return None if self.masks is None else self.masks.kind


@lru_cache(maxsize=256)  # the sets of a store have few different texts
def _parse(text: str) -> SetSettings:
    """Read the text of a row."""
    try:
        said = json.loads(text)
    except ValueError as error:
        raise StoreError(f"settings: expected JSON, got {error}") from None
    if not isinstance(said, dict):
        return SetSettings()
    generate = said.get("generate")
    return SetSettings(
        hashed=generate if isinstance(generate, dict) else None,
        generate=_known(GenerateSettings, generate),
        clips=_known(ClipSettings, said.get("clips")),
        source_split=str(said.get("source_split", "")),
        masks=_masks(said.get("masks")),
        defect=_defect(said.get("defect")),
    )


def _known(kind: type[Known], values: object) -> Known | None:
    """Settings of plain values; None where they are none."""
    try:
        return kind.model_validate(values)
    except ValidationError:
        return None


def _masks(said: object) -> SetMasks | None:
    """Which masks a row says the set has."""
    if not said:
        return None
    kind = said.get("kind") if isinstance(said, Mapping) else None
    if not isinstance(said, Mapping) or not isinstance(kind, str):
        raise StoreError(f"settings: masks: expected their kind, got {said!r:.60}")
    return SetMasks(kind, str(said.get("id", "")))


def _defect(said: object) -> SetDefect | None:
    """Which defect a row says the set has."""
    if not said:
        return None
    try:
        return SetDefect.parse(said)
    except (KeyError, TypeError, ValueError):
        raise StoreError(
            f"settings: defect: expected its order and what became of it, got {said!r:.60}"
        ) from None
