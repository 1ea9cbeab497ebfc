"""Defects of looks: layers with exact masks that are drawn on a part and move with it.

A part is measured (`measure_host`), a defect is made for it (`make_defect`, `make_cut_out`,
`make_placebo`, or many of them with checks by `fulfil`), and carried along the part's motion
(`move`, or `painted` on a cut-out that is moved itself).
"""

from flawcast.generators.defects.checks import check_steady, frame_contrasts
from flawcast.generators.defects.cut_outs import CutOut, make_cut_out
from flawcast.generators.defects.host import Host, measure_host
from flawcast.generators.defects.layer import DefectLayer
from flawcast.generators.defects.ledger import Ledger, fulfil
from flawcast.generators.defects.making import Order, make_defect
from flawcast.generators.defects.motion import (
    MovedDefect,
    carried_to,
    field_of_affine,
    field_of_deformation,
    move,
    painted,
)
from flawcast.generators.defects.placebo import make_placebo
from flawcast.generators.defects.placement import Wish
from flawcast.generators.defects.reasons import REASONS, Reason, RefusedError
from flawcast.generators.defects.sketch import DEFECT_TYPES, DefectType, Sketch

__all__ = [
    "DEFECT_TYPES",
    "REASONS",
    "CutOut",
    "DefectLayer",
    "DefectType",
    "Host",
    "Ledger",
    "MovedDefect",
    "Order",
    "Reason",
    "RefusedError",
    "Sketch",
    "Wish",
    "carried_to",
    "check_steady",
    "field_of_affine",
    "field_of_deformation",
    "frame_contrasts",
    "fulfil",
    "make_cut_out",
    "make_defect",
    "make_placebo",
    "measure_host",
    "move",
    "painted",
]
