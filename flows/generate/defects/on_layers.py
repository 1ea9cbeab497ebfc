"""A set's defect where videos are drawn from layers: painted on the part's cut-outs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.defect_settings import DefectOrder, MadeDefect
from flawcast.flows.generate.defects.candidates import (
    WORDS,
    Candidate,
    candidates,
    check_futures,
    describe,
    made_again,
)
from flawcast.flows.generate.defects.parts import part_on_layers
from flawcast.generators.backbones.layers.defective import PartDefect, grown_by, to_arrays
from flawcast.generators.backbones.layers.model import LayerAppearance
from flawcast.generators.backbones.layers.stored import LEVELS, USUAL
from flawcast.generators.defects import RefusedError
from flawcast.storage import Layers

Image = NDArray[np.uint8]
Region = NDArray[np.bool_] | None


@dataclass(frozen=True)
class OnLayers:
    """Layers with a defect.

    Args:
        layers: What videos with the defect are drawn from.
        ranks: Places of the kept futures that show it as they should.
        made: What became of the order.
    """

    layers: Layers
    ranks: tuple[int, ...]
    made: MadeDefect


class DefectOnLayers:
    """The defects that a set may get, the first of them made at once.

    Args:
        order: What is asked for.
        look: What the set's source looks like.
        frames: Frames of a future, F.
        region: Where it may lie in the source frame, (H, W).
        bank: Folder of the bank that the order's item is of.

    Raises:
        RefusedError: If none can be made.
    """

    def __init__(
        self,
        order: DefectOrder,
        look: LayerAppearance,
        frames: int,
        region: Region,
        bank: Path | None,
    ) -> None:
        self._order, self._progress = order, grown_by(order.onset, frames)
        chosen = part_on_layers(look, region is not None)
        self._more = candidates(order, chosen, region, bank)
        self._first = next(self._more)

    def put(self, layers: Layers, indices: Sequence[int]) -> OnLayers:
        """Put it on the layers of a set, at a place where most kept futures show it.

        Args:
            layers: What all futures are drawn from, without it.
            indices: The kept futures, best first.

        Raises:
            RefusedError: If they do not show it anywhere.
        """
        candidate: Candidate | None = self._first
        if self._order.placebo:
            return OnLayers(
                self._with(layers, self._first),
                tuple(range(len(indices))),
                describe(self._first, None),
            )
        while candidate is not None:
            whole = self._full_grown(layers, candidate)

            def draw(
                rank: int, times: Sequence[int], whole: Layers = whole
            ) -> tuple[Image, Image, Image]:
                index = indices[rank]
                return (
                    layers.draw("videos", index, times),
                    whole.draw("videos", index, times),
                    whole.draw("masks", index, times),
                )

            steady = check_futures(draw, len(indices), layers.shape[1], self._order.label)
            if steady.enough:
                made = describe(candidate, steady)
                return OnLayers(self._with(layers, candidate), steady.ranks, made)
            candidate = next(self._more, None)
        reason = steady.dropped.most_common(1)[0][0]
        raise RefusedError(reason, f"{self._order.label}: {WORDS[reason]}")

    def _with(self, layers: Layers, candidate: Candidate) -> Layers:
        """Layers that show the defect as it grows."""
        return with_defect(layers, _part_defect(candidate, self._progress))

    def _full_grown(self, layers: Layers, candidate: Candidate) -> Layers:
        """Layers that show all of the defect in every frame, and no masks but its own."""
        source = {name: one for name, one in layers.source.items() if name not in (LEVELS, USUAL)}
        return with_defect(replace(layers, source=source), _part_defect(candidate, None))


def layers_again(
    order: DefectOrder,
    made: MadeDefect,
    look: LayerAppearance,
    layers: Layers,
    region: Region,
    bank: Path | None,
) -> Layers:
    """The layers that a set's row says it has.

    Args:
        order: What was asked for.
        made: What became of it.
        look: What the set's source looks like.
        layers: What its futures are drawn from, without the defect.
        region: Where it may lie, (H, W).
        bank: Folder of the bank that the order's item is of.
    """
    if made.refused:
        return layers
    chosen = part_on_layers(look, region is not None)
    layer = made_again(order, made, chosen, region, bank)
    progress = grown_by(order.onset, layers.shape[1])
    return with_defect(layers, PartDefect(layer, chosen.part, chosen.cut, progress))


def with_defect(layers: Layers, defect: PartDefect) -> Layers:
    """Layers whose source has a defect."""
    return replace(layers, source={**layers.source, **to_arrays(defect)})


def _part_defect(candidate: Candidate, progress: NDArray[np.float32] | None) -> PartDefect:
    """A candidate as layers take it."""
    return PartDefect(candidate.layer, candidate.chosen.part, candidate.chosen.cut, progress)
