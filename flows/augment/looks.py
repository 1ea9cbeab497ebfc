"""Defects of looks in the recipe: labels of their own on good parts; others get placebos."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from flawcast.configs.defect_settings import DefectOrder, DefectSettings
from flawcast.configs.identity import derive_seed, hash_files
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.defects.inputs import open_bank
from flawcast.flows.generate.defects.orders import draw_order, masks_with, order_seed
from flawcast.flows.generate.plan import SetPlan, planned_id
from flawcast.generators.defects.bank import BankItem


def with_looks(
    sets: Mapping[str, list[SetPlan]],
    good: Sequence[SetPlan],
    defects: DefectSettings,
    settings: GenerateSettings,
    weights_id: str,
    narrowed: Callable[[str, DefectSettings], DefectSettings] = lambda label, defects: defects,
    counts: Mapping[str, int] | None = None,
) -> dict[str, list[SetPlan]]:
    """Sets of every label, with those of every type and every label of a bank.

    A label that clips and looks share has its looks on the motions of its clips: a crack that grows
    while the part sags. All other looks are put on good motions. All sets without a defect get a
    placebo, so that nothing tells a paste from a defect but what is pasted.

    Args:
        sets: The sets by label, as they are without.
        good: Good motions on good sources, for defects of one label.
        defects: What is asked for; its share does not matter.
        settings: As in `planned_id`.
        weights_id: The model's id.
        narrowed: Changes what is asked for of one label.
        counts: Sets of each label on good motions; None for all that there are.
    """
    region = "" if defects.where is None else hash_files([defects.where])[:16]
    items = () if defects.bank is None else tuple(open_bank(defects.bank))
    result: dict[str, list[SetPlan]] = {}
    looked = _kinds(defects, items)
    shared = {label for label, _, _ in looked} & set(sets)

    def ordered(one: SetPlan, order: DefectOrder) -> SetPlan:
        masks = masks_with(order, one.masks)
        own = settings.model_copy(update={"driving": one.driving})
        set_id = planned_id(one, own, weights_id, masks, order)
        return replace(one, set_id=set_id, masks=masks, order=order)

    for label, plans in sets.items():
        if label in shared:
            result[label] = []  # in its place among the labels
            continue
        if not defects.placebo:
            result[label] = list(plans)
            continue
        seeds = [order_seed(one, settings.seed, "placebo") for one in plans]
        result[label] = [
            ordered(one, draw_order(defects, (), region, derive_seed(seed, number), True))
            for number, (one, seed) in enumerate(zip(plans, seeds, strict=True))
        ]
    for label, kinds, known in looked:
        chosen = narrowed(label, defects.model_copy(update={"types": kinds}))
        hosts = sets[label] if label in shared else good[: (counts or {}).get(label)]
        result[label] = [
            ordered(one, draw_order(chosen, known, region, derive_seed(seed, label, number), False))
            for number, one in enumerate(hosts)
            for seed in [order_seed(one, settings.seed, "look")]
        ]
    return result


def labels_of(defects: DefectSettings | None) -> list[str]:
    """What the defects of looks of a request are called."""
    if defects is None:
        return []
    items = () if defects.bank is None else tuple(open_bank(defects.bank))
    return [label for label, _, _ in _kinds(defects, items)]


def _kinds(
    defects: DefectSettings, items: Sequence[BankItem]
) -> list[tuple[str, tuple[str, ...], tuple[BankItem, ...]]]:
    """Each label with its types, or with its items of the bank."""
    labels = [defects.label_of(name) for name in defects.types]
    labels += sorted({item.label for item in items})
    return [
        (
            label,
            tuple(name for name in defects.types if defects.label_of(name) == label),
            tuple(item for item in items if item.label == label),
        )
        for label in dict.fromkeys(labels)
    ]
