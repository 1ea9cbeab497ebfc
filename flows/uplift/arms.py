"""The arms of the experiment: what each trains with; all else is the same in all of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Arm:
    """What an arm's classifier is trained with, beside the real clips that every arm has.

    Args:
        modes: Modes of the synthetic samples; none for an arm without.
        forecaster: Of those samples; None for any but VRNN.
        balanced: Whether labels are drawn equally often.
        augmented: Whether videos are flipped, shifted, and changed in brightness and contrast.
        shuffled: Whether the synthetic samples' labels are shuffled: the control.
    """

    modes: tuple[str, ...] = ()
    forecaster: str | None = None
    balanced: bool = True
    augmented: bool = False
    shuffled: bool = False

    @property
    def synthetic(self) -> bool:
        """Whether it has synthetic samples."""
        return bool(self.modes)

    def takes(self, mode: str, forecaster: str) -> bool:
        """Whether a sample of that mode and forecaster is for this arm."""
        wanted = forecaster == self.forecaster if self.forecaster else forecaster != "vrnn"
        return mode in self.modes and wanted


BOTH = ("reconstruction", "transfer")
ARMS = {
    "real": Arm(balanced=False),
    "real, balanced": Arm(),
    "real, augmented": Arm(augmented=True),
    "+ reconstruction": Arm(("reconstruction",)),
    "+ transfer": Arm(("transfer",)),
    "+ both, augmented": Arm(BOTH, augmented=True),
    "+ both of VRNN, augmented": Arm(BOTH, forecaster="vrnn", augmented=True),
    "+ both, labels shuffled": Arm(BOTH, augmented=True, shuffled=True),
}
