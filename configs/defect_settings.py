"""Settings of defects of looks in `flawcast generate`, and the order that a set gets by them."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from flawcast.configs.errors import SettingsError
from flawcast.configs.frozen import Settings
from flawcast.configs.identity import content_id

Range = tuple[float, float]
CUT_OUT = "cut_out"  # the type of a defect that comes from a bank


class DefectSettings(Settings):
    """Which defects of looks a run puts on parts, on how many sets, and how strong.

    Args:
        types: Registered procedural types; each defect is of one of them, by chance.
        labels: Pairs of a type and what its defects are called; others are called as their type.
        bank: Folder of a bank, whose items count as one more type each.
        share: Of the sets, that get a defect; the others get a placebo, or nothing.
        severity: Range that each defect's severity is drawn from, within [0, 1].
        size: Range of lengths as shares of the part's long side; None for the type's usual ones.
        where: Mask of the frame, in which defects may lie; None for the whole part.
        onset: Range of future frames in which a defect begins; it then grows until the last frame.
            None for a defect that is there from the first frame on.
        placebo: Whether sets without a defect get a harmless patch.
        test: Stills of the test split, or folders of them: a bank that holds one is refused.
    """

    types: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    bank: Path | None = None
    share: float = Field(default=0.5, gt=0, le=1)
    severity: Range = (0.2, 1.0)
    size: Range | None = None
    where: Path | None = None
    onset: tuple[int, int] | None = None
    placebo: bool = True
    test: tuple[Path, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Refuse ranges that are reversed or reach too far."""
        if not self.types and self.bank is None:
            raise SettingsError("defects: expected types or a bank, got neither; name some")
        _expect_range("severity", self.severity, 0, 1)
        if self.size is not None:
            _expect_range("defect-size", self.size, 0, 1)
            if self.size[1] <= 0:
                raise SettingsError("defect-size: expected shares above 0, got 0; give 0.1:0.4")
        if self.onset is not None:
            _expect_range("defect-onset", self.onset, 0, float("inf"))
        return self

    def label_of(self, kind: str) -> str:
        """What defects of a type are called."""
        return dict(self.labels).get(kind, kind)


@dataclass(frozen=True)
class DefectOrder:
    """The defect or placebo that one set is to have: it belongs to what the set's id is a hash of.

    Args:
        type: Name of a procedural type, or "cut_out"; the outline of a placebo.
        label: What the defect is called.
        item: Item of the bank that it comes from; empty for a procedural one.
        size: Length as a share of the part's long side.
        severity: From 0 to 1.
        seed: Decides the rest.
        onset: Frame of the future in which it begins; None for one that is there from the start.
        region: Hash of the mask in which it may lie; empty for the whole part.
        placebo: Whether it is harmless.
    """

    type: str
    label: str
    item: str
    size: float
    severity: float
    seed: int
    onset: int | None = None
    region: str = ""
    placebo: bool = False

    @property
    def id(self) -> str:
        """Hash of all of it."""
        return content_id("defect", **asdict(self))


@dataclass(frozen=True)
class MadeDefect:
    """What became of an order.

    Args:
        seed: Of the try that was good, which makes it again.
        part: Which of the clip's parts it is on.
        cut: Which of that part's cut-outs it was drawn on.
        scale: Factor of the order's size: below 1 for a placebo that had no room, above 1 for a
            defect that would have been a few pixels long.
        size: Its length as a share of the part's long side.
        angle: Its direction from that of the part's long side, degrees.
        x: Its centre in the part's terms, along the long side.
        y: The same across.
        frame_x: Its centre in the source frame, as a share of the width.
        frame_y: The same, of the height.
        contrast: Contrast-to-noise on the source frame.
        contrasts: The same in each kept video, best first.
        dropped: Kept futures that do not show it as they should, by reason.
        refused: Why it could not be made, with all else 0; empty if it was.
    """

    seed: int = 0
    part: int = 0
    cut: int = 0
    scale: float = 1.0
    size: float = 0.0
    angle: float = 0.0
    x: float = 0.0
    y: float = 0.0
    frame_x: float = 0.0
    frame_y: float = 0.0
    contrast: float = 0.0
    contrasts: tuple[float, ...] = ()
    dropped: tuple[tuple[str, int], ...] = ()
    refused: str = ""


@dataclass(frozen=True)
class SetDefect:
    """A set's order and what became of it.

    Args:
        order: What was asked for.
        made: What became of it.
        motion: Label of the clip that gave the motion; the set's own label is the defect's.
    """

    order: DefectOrder
    made: MadeDefect
    motion: str

    @property
    def shows(self) -> bool:
        """Whether the set's videos have a defect: not a placebo, and not one that failed."""
        return not self.order.placebo and not self.made.refused

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"order": asdict(self.order), "made": asdict(self.made), "motion": self.motion}

    @staticmethod
    def parse(said: Any) -> "SetDefect":
        """Read plain values.

        Raises:
            KeyError, TypeError: If they are not those of `to_json`.
        """
        made = dict(said["made"])
        made["contrasts"] = tuple(made.get("contrasts", ()))
        made["dropped"] = tuple((str(name), int(count)) for name, count in made.get("dropped", ()))
        return SetDefect(DefectOrder(**said["order"]), MadeDefect(**made), str(said["motion"]))


def parse_range(name: str, text: str, whole: bool = False) -> Any:
    """A range as options give it: `0.2:1.0`, or one number for both ends.

    Args:
        name: The option, for the message.
        text: What was given.
        whole: Whether the numbers are whole.

    Raises:
        SettingsError: If it is none.
    """
    kind: Any = int if whole else float
    try:
        ends = [kind(part) for part in text.split(":")]
    except ValueError:
        ends = []
    if len(ends) not in (1, 2):
        example = "2:5" if whole else "0.2:1.0"
        raise SettingsError(f"{name}: expected a range such as {example}, got {text!r}; give one")
    return ends[0], ends[-1]


def _expect_range(name: str, ends: tuple[float, float], lowest: float, highest: float) -> None:
    """Refuse a range that is reversed or reaches out of bounds."""
    low, high = ends
    if low > high:
        raise SettingsError(
            f"{name}: expected the smaller number first, got {low:g}:{high:g}; turn it round"
        )
    if low < lowest or high > highest:
        bounds = f"{lowest:g} to {highest:g}" if highest < float("inf") else f"{lowest:g} or more"
        raise SettingsError(f"{name}: expected {bounds}, got {low:g}:{high:g}; mend it")
