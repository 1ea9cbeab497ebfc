"""The arms on clips with masks: they differ only in the pictures that are learnt from."""

from flawcast.flows.uplift.few.arms import FewArm

ARMS = {
    "real": FewArm(augmented=False),
    "real, augmented": FewArm(),
    "+ cut-paste without motion": FewArm(("cut_paste",)),
    "+ moved": FewArm(("moved",), augmented=False),
    "+ moved, augmented": FewArm(("moved",)),
    "+ placebos as anomalies": FewArm(("placebos",), control=True),
    "+ moved, masks shuffled": FewArm(("moved",), shuffled=True, control=True),
    "memory bank, no anomaly": FewArm(augmented=False, of_good_alone=True),
}
