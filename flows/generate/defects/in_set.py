"""The defect of one set, ready to be put on its kept futures, or the reason why there is none."""

from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.defect_settings import DefectSettings, MadeDefect
from flawcast.flows.generate.defects.inputs import region_for
from flawcast.flows.generate.defects.on_layers import DefectOnLayers
from flawcast.flows.generate.defects.on_pixels import DefectOnPixels
from flawcast.flows.generate.defects.parts import ChosenPart, part_of_clip
from flawcast.flows.generate.plan import SetPlan
from flawcast.flows.generate.sampled import MOST_EARLIER, Sampled
from flawcast.generators.backbones.layers.backbone import LayersAppearance
from flawcast.generators.backbones.layers.model import LayerAppearance
from flawcast.generators.clips.kept import planned_clip
from flawcast.generators.defects import RefusedError

Levels = NDArray[np.uint8] | None


def prepare_defect(
    plan: SetPlan,
    sampled: Sampled,
    defects: DefectSettings,
    clips: ClipSettings,
    levels: Levels,
) -> DefectOnLayers | DefectOnPixels | MadeDefect:
    """Make the first defect or placebo for a set.

    Args:
        plan: The set, with an order.
        sampled: Its futures.
        defects: What the run asks for.
        clips: How clips are read.
        levels: Mask of the source, (H, W), if its clip has one.

    Returns:
        What puts it on the kept futures; for a placebo that has no room, why there is none.

    Raises:
        RefusedError: If a defect cannot be made.
    """
    order = plan.order
    if order is None:
        raise ValueError("the set has no order")
    size = (sampled.source.shape[0], sampled.source.shape[1])
    region = where_in(defects.where, clips, size)
    frames, bank = sampled.futures.shape[1], defects.bank
    try:
        if sampled.scene.backbone.renderer is not None:
            return DefectOnLayers(order, look_of(sampled), frames, region, bank)
        chosen = part_of_source(plan, sampled, clips, levels)
        return DefectOnPixels(order, chosen, frames, region, bank)
    except RefusedError as refused:
        if not order.placebo:
            raise
        return MadeDefect(refused=refused.reason)


def where_in(
    where: Path | None, clips: ClipSettings, size: tuple[int, int]
) -> NDArray[np.bool_] | None:
    """The region of a run in a source of some size, (H, W); None for the whole part."""
    return None if where is None else region_for(where, clips, size)


def look_of(sampled: Sampled) -> LayerAppearance:
    """What a source of `layers` looks like."""
    return cast(LayersAppearance, sampled.scene.appearance).look


def part_of_source(
    plan: SetPlan, sampled: Sampled, clips: ClipSettings, levels: Levels
) -> ChosenPart:
    """The part that a learned model's source shows; no future frame of a set is looked at.

    Raises:
        RefusedError: If no part is known.
    """
    frame = plan.source.frame
    if plan.mode == "transfer":
        whole = planned_clip(plan.source.entry, clips, plan.source.clip_id).frames
        return part_of_clip(whole, frame, levels)
    start = plan.window.start
    earlier = sampled.clip.frames[max(0, start - MOST_EARLIER) : start]
    return part_of_clip(sampled.past, frame - start, levels, [earlier] if len(earlier) else [])
