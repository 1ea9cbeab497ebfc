"""The arms of the experiment: they differ only in their training data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Arm:
    """An arm's training data, apart from the real clips that every arm has.

    Args:
        modes: Modes of the synthetic samples; none for an arm without.
        vrnn: Whether a VRNN forecast them instead of the GRU-NF.
        balanced: Whether labels are drawn equally often.
        augmented: Whether videos are flipped, shifted, and changed in brightness and contrast.
        shuffled: Whether the synthetic samples' labels are shuffled: the control.
        placebo: Whether only good samples are used, under labels by chance: a control that shows
            what the making of samples does alone.
        pasted: Whether its samples are cut out of the real clips and pasted, without motion.
    """

    modes: tuple[str, ...] = ()
    vrnn: bool = False
    balanced: bool = True
    augmented: bool = False
    shuffled: bool = False
    placebo: bool = False
    pasted: bool = False

    @property
    def synthetic(self) -> bool:
        """Whether it has synthetic samples."""
        return bool(self.modes) or self.pasted

    @property
    def control(self) -> bool:
        """Whether it is there to show what does not help."""
        return self.shuffled or self.placebo

    @property
    def good_videos(self) -> tuple[tuple[str, ...], bool, bool, bool]:
        """What decides the arm's good videos: arms with an equal value differ only in defects."""
        return self.modes, self.vrnn, self.shuffled, self.placebo

    def takes(self, mode: str, forecaster: str) -> bool:
        """Whether a sample of that mode and forecaster is for this arm."""
        return mode in self.modes and (forecaster == VRNN) == self.vrnn

    @property
    def forecaster(self) -> str:
        """Name of the forecaster that makes this arm's samples."""
        return VRNN if self.vrnn else OWN


OWN, VRNN = "gru_nf", "vrnn"
BOTH = ("reconstruction", "transfer")
ARMS = {
    "real": Arm(balanced=False),
    "real, balanced": Arm(),
    "real, augmented": Arm(augmented=True),
    "+ reconstruction": Arm(("reconstruction",)),
    "+ transfer": Arm(("transfer",)),
    "+ transfer, augmented": Arm(("transfer",), augmented=True),
    "+ both, augmented": Arm(BOTH, augmented=True),
    "+ cut-paste, augmented": Arm(augmented=True, pasted=True),
    "+ transfer, labels shuffled": Arm(("transfer",), augmented=True, shuffled=True),
    "+ placebos as defects": Arm(("transfer",), augmented=True, placebo=True),
    "VRNN: + reconstruction": Arm(("reconstruction",), vrnn=True),
    "VRNN: + transfer": Arm(("transfer",), vrnn=True),
    "VRNN: + both, augmented": Arm(BOTH, vrnn=True, augmented=True),
}
USUAL = (  # that are run if none is named: the recipe, what it is compared with, and the control
    "real",
    "real, augmented",
    "+ transfer, augmented",
    "+ transfer, labels shuffled",
)
ALL_OF_IT = (  # with what samples are compared to where the proof has to be whole
    "real",
    "real, augmented",
    "+ cut-paste, augmented",
    "+ transfer",
    "+ transfer, augmented",
    "+ placebos as defects",
    "+ transfer, labels shuffled",
)
