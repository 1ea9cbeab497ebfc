"""What became of a run's requests for defects: requested = made + rejected, each with a reason."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flawcast.configs.set_settings import SetSettings
from flawcast.flows.generate.plan import SetPlan


@dataclass(frozen=True)
class DefectLedger:
    """Counts of a run.

    Args:
        requested: Sets that were to have a defect: made + rejected + failed.
        made: Sets that have it, with those that the store had before.
        rejected: Sets that were left out, by the reason of the last try.
        failed: Sets that could not be made for other reasons, or not yet.
        types: Sets that have it, by label.
        dropped: Kept futures of those sets that do not show it as they should, by reason.
        placebos: Sets with a placebo.
        without: Sets that should have a placebo and have none, by reason.
    """

    requested: int
    made: int
    rejected: Mapping[str, int]
    failed: int
    types: Mapping[str, int]
    dropped: Mapping[str, int]
    placebos: int
    without: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in asdict(self).items()
        }

    def lines(self) -> list[str]:
        """The same for people."""
        head = f"defects: {self.requested} requested = {self.made} made"
        head += f" + {sum(self.rejected.values())} rejected{_reasons(self.rejected)}"
        head += f" + {self.failed} failed" if self.failed else ""
        lines = [head]
        if self.types:
            lines.append(
                "made: " + ", ".join(f"{count} {name}" for name, count in self.types.items())
            )
        if self.dropped:
            total = sum(self.dropped.values())
            lines.append(f"kept futures left out: {total}{_reasons(self.dropped)}")
        if self.placebos or self.without:
            none = sum(self.without.values())
            said = f", {none} without room{_reasons(self.without)}" if none else ""
            lines.append(f"placebos: {self.placebos}{said}")
        return lines


def count_defects(
    plans: Sequence[SetPlan], rows: Mapping[str, Mapping[str, Any]], left_out: Mapping[str, str]
) -> DefectLedger | None:
    """Count what became of a plan's orders; None if it has none.

    Args:
        plans: All sets of the run.
        rows: Rows of those that the store has, by id.
        left_out: For sets that were left out, the word for the reason; empty for other reasons.
    """
    if not any(plan.order for plan in plans):
        return None
    asked = [plan for plan in plans if plan.order is not None and not plan.order.placebo]
    types: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    without: Counter[str] = Counter()
    rejected = Counter(
        left_out[plan.set_id] or "no_part" for plan in asked if plan.set_id in left_out
    )
    placebos = 0
    for plan in plans:
        if plan.order is None or plan.set_id not in rows:
            continue
        defect = SetSettings.parse(rows[plan.set_id]["settings"]).defect
        if defect is None:
            continue
        if not plan.order.placebo:
            types[plan.order.label] += 1
            dropped.update(dict(defect.made.dropped))
        elif defect.made.refused:
            without[defect.made.refused] += 1
        else:
            placebos += 1
    made = types.total()
    return DefectLedger(
        requested=len(asked),
        made=made,
        rejected=_sorted(rejected),
        failed=len(asked) - made - rejected.total(),
        types=_sorted(types),
        dropped=_sorted(dropped),
        placebos=placebos,
        without=_sorted(without),
    )


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts in the order of their names."""
    return dict(sorted(counts.items()))


def _reasons(counts: Mapping[str, int]) -> str:
    """Counts by reason, in brackets; empty without any."""
    said: Iterable[str] = (f"{count} {name}" for name, count in counts.items())
    return f" ({', '.join(said)})" if counts else ""
