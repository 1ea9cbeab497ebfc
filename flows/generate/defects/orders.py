"""Which sets of a run get which defect, decided before anything is rendered."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.defect_settings import CUT_OUT, DefectOrder, DefectSettings
from flawcast.configs.identity import derive_seed, hash_files
from flawcast.configs.set_settings import SetMasks
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.defects.inputs import open_bank, region_for
from flawcast.flows.generate.plan import Plan, SetPlan, planned_id
from flawcast.generators.defects import DEFECT_TYPES
from flawcast.generators.defects.bank import BankItem

SPREAD = 1.25  # factor by which an item of a bank may be larger or smaller than in its still
LARGEST = 0.6  # share of the part: items are not put on larger than this
PLACEBO_SIZE = 0.3  # share of the part: a larger patch rarely finds a second place
WITH_DEFECT = SetMasks("drawn", "defect")  # masks of a set whose clip's own are not asked for


def order_defects(
    sets: Sequence[SetPlan], settings: DefectSettings, seed: int
) -> list[DefectOrder | None]:
    """Orders for the sets of a plan: defects for a share of them, placebos for the others.

    Which sets have one depends on the run's seed and on what the sets are made of. The number is
    the share of all sets, at least 1.

    Args:
        sets: The plan's sets.
        settings: What is asked for.
        seed: The run's seed.
    """
    lots = [order_seed(one, seed, "defect") for one in sets]
    count = min(len(sets), max(1, round(settings.share * len(sets))))
    chosen = set(sorted(range(len(sets)), key=lambda index: lots[index])[:count])
    bank = None if settings.bank is None else open_bank(settings.bank)
    region = "" if settings.where is None else hash_files([settings.where])[:16]
    items = () if bank is None else tuple(bank)
    return [
        draw_order(
            settings, items, region, order_seed(one, seed, "order"), placebo=index not in chosen
        )
        if index in chosen or settings.placebo
        else None
        for index, one in enumerate(sets)
    ]


def order_seed(plan: SetPlan, seed: int, what: str) -> int:
    """A number by chance, the same for the same window and source."""
    source = plan.source
    return derive_seed(
        seed, plan.clip_id, plan.window.start, plan.mode, source.clip_id, source.frame, what
    )


def draw_order(
    settings: DefectSettings, items: Sequence[BankItem], region: str, seed: int, placebo: bool
) -> DefectOrder:
    """One order, drawn by chance.

    Args:
        settings: What is asked for.
        items: Of a bank; they count as one more type.
        region: As in `DefectOrder`.
        seed: Decides it.
        placebo: Whether it is harmless.
    """
    rng = np.random.default_rng(seed)
    types = [*settings.types, *([CUT_OUT] if items and not placebo else [])]
    kind = str(rng.choice(types or DEFECT_TYPES.names()))
    label, item = settings.label_of(kind), ""
    if items and kind == CUT_OUT:
        drawn = items[int(rng.integers(len(items)))]
        label, item = drawn.label, drawn.item_id
        usual = min(LARGEST, drawn.length / SPREAD), min(LARGEST, drawn.length * SPREAD)
    else:
        usual = DEFECT_TYPES[kind].sizes
    low, high = settings.size or usual
    if placebo:
        low, high = min(low, PLACEBO_SIZE), min(high, PLACEBO_SIZE)
    size, severity = rng.uniform(low, high), rng.uniform(*settings.severity)
    onset = None
    if settings.onset is not None and not placebo:
        onset = int(rng.integers(settings.onset[0], settings.onset[1] + 1))
    return DefectOrder(
        type=kind,
        label=label,
        item=item,
        size=round(float(size), 6),
        severity=0.0 if placebo else round(float(severity), 6),
        seed=derive_seed(seed, "layer"),
        onset=onset,
        region=region,
        placebo=placebo,
    )


def with_defects(
    plan: Plan,
    defects: DefectSettings,
    settings: GenerateSettings,
    clips: ClipSettings,
    weights_id: str,
) -> Plan:
    """A plan in which sets have defects and placebos, under the ids that they have with them.

    Args:
        plan: The sets as they are without.
        defects: What is asked for.
        settings: As in `plan_sets`.
        clips: How clips are read.
        weights_id: The model's id.

    Raises:
        DefectError: If the region does not fit the frames of a source.
    """
    if defects.where is not None:
        for size in {one.source.size for one in plan.sets}:
            region_for(defects.where, clips, size)
    orders = order_defects(plan.sets, defects, settings.seed)
    sets = []
    for one, order in zip(plan.sets, orders, strict=True):
        if order is not None:
            masks = masks_with(order, one.masks)
            set_id = planned_id(one, settings, weights_id, masks, order)
            one = replace(one, set_id=set_id, masks=masks, order=order)
        sets.append(one)
    return replace(plan, sets=tuple(sets))


def masks_with(order: DefectOrder, masks: SetMasks | None) -> SetMasks:
    """Which masks a set with an order has: a placebo keeps those that were asked for."""
    if masks is not None and (masks.kind == "drawn" or order.placebo):
        return masks
    return WITH_DEFECT
