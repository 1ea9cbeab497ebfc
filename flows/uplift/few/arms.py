"""The arms with a few stills: they differ only in the pictures that are learnt from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FewArm:
    """The pictures of an arm beside the real ones.

    Args:
        made: Kinds of made pictures: names of `Maker`'s methods.
        augmented: Whether all pictures are turned, flipped and changed in their light as well.
        shuffled: Whether made pictures get each other's masks: the control.
        of_good_alone: Whether it learns from good stills alone, by the memory bank.
        control: Whether it is there to show what does not help.
    """

    made: tuple[str, ...] = ()
    augmented: bool = True
    shuffled: bool = False
    of_good_alone: bool = False
    control: bool = False

    @property
    def synthetic(self) -> bool:
        """Whether it has made pictures."""
        return bool(self.made)


ARMS = {
    "memory bank, no defect": FewArm(augmented=False, of_good_alone=True),
    "real": FewArm(augmented=False),
    "real, augmented": FewArm(),
    "+ cut-paste": FewArm(("cut_paste",)),
    "+ cut-outs": FewArm(("cut_outs",)),
    "+ cut-outs, placebos on good": FewArm(("cut_outs", "harmless")),
    "+ placebos as defects": FewArm(("placebos",), control=True),
    "+ cut-outs, masks shuffled": FewArm(("cut_outs",), shuffled=True, control=True),
}
