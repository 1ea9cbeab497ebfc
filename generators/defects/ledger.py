"""The ledger of requests: as many were asked for as were made and rejected, each with a reason."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flawcast.configs.identity import derive_seed
from flawcast.generators.defects.checks import KnownDefect, check_new, check_on_part, check_visible
from flawcast.generators.defects.host import Host
from flawcast.generators.defects.layer import DefectLayer
from flawcast.generators.defects.looks import Look, look_of_layer
from flawcast.generators.defects.making import Order, make_defect
from flawcast.generators.defects.reasons import Reason, RefusedError

TRIES = 5  # seeds per request


@dataclass
class Ledger:
    """Counts of requests.

    Args:
        made: Requests that were fulfilled.
        rejected: Requests that were not, by the reason of the last try.
        redone: Tries that failed before another one, by reason.
    """

    made: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)
    redone: Counter[Reason] = field(default_factory=Counter)

    @property
    def requested(self) -> int:
        """All requests: made and rejected."""
        return self.made + self.rejected.total()

    def add(self, other: "Ledger") -> None:
        """Add the counts of another ledger."""
        self.made += other.made
        self.rejected += other.rejected
        self.redone += other.redone

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "requested": self.requested,
            "made": self.made,
            "rejected": dict(sorted(self.rejected.items())),
            "redone": dict(sorted(self.redone.items())),
        }


def fulfil(
    host: Host,
    orders: Iterable[Order],
    real: Sequence[Look | None] = (),
    make: Callable[[Host, Order], DefectLayer] = make_defect,
    tries: int = TRIES,
) -> tuple[list[DefectLayer | None], Ledger]:
    """Make the defects that are asked for on a part, each of them checked.

    A defect that fails a check is made again with another seed, up to so many times.

    Args:
        host: The part.
        orders: What is asked for.
        real: Looks of real defects, of which none may be copied.
        make: Makes one.
        tries: Seeds per order.

    Returns:
        A defect for each order, or None where it was rejected, and the ledger.

    Raises:
        SettingsError: If an order names an unknown type.
        DefectError: If an order is malformed; only what may succeed with another seed is redone.
    """
    ledger = Ledger()
    made: list[DefectLayer | None] = []
    known: list[KnownDefect] = []
    for order in orders:
        layer: DefectLayer | None = None
        for number in range(tries):
            again = order.seed if number == 0 else derive_seed(order.seed, "again", number)
            try:
                layer = make(host, replace(order, seed=again))
                look = look_of_layer(layer, host.picture, host.background)
                check_on_part(host.part, layer.mask(), order.kind)
                check_visible(host, layer)
                check_new(layer, look, real, known)
            except RefusedError as refused:
                layer = None
                last = number == tries - 1
                (ledger.rejected if last else ledger.redone)[refused.reason] += 1
                continue
            known.append(KnownDefect(layer.kind, look, layer.place))
            ledger.made += 1
            break
        made.append(layer)
    return made, ledger
