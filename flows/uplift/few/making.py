"""Pictures made of a few defective stills and of good ones."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.identity import derive_seed
from flawcast.flows.uplift.images.frames import Frame, as_frame
from flawcast.flows.uplift.images.stills import Still
from flawcast.generators.defects import (
    CutOut,
    DefectLayer,
    Host,
    Order,
    RefusedError,
    Wish,
    fulfil,
    make_cut_out,
    make_placebo,
    measure_host,
)
from flawcast.generators.defects.bank.adding import cut_out_of
from flawcast.generators.defects.layer import HALF
from flawcast.generators.defects.sketch import DEFECT_TYPES

SCALES = (0.8, 1.2)  # of a pasted defect, to its own size
LARGEST = 0.9  # of the good still's extent
SEVERITIES = (0.4, 1.0)
TRIES = 5  # stills for a defect or a patch that was refused
PLACEBO_SIZE = 0.3  # share of the extent: a larger patch rarely finds a second place
SHRINK = 0.8  # by which a patch gets smaller with each try


@dataclass
class Maker:
    """Makes pictures from stills to learn from, and no others.

    Args:
        bad: Defective stills.
        good: Good stills.
        copies: Pictures of each kind.
        seed: Decides all of them.
        rejected: Defects that could not be made, by reason; counted on.
    """

    bad: Sequence[Still]
    good: Sequence[Still]
    copies: int
    seed: int
    rejected: Counter[str] = field(default_factory=Counter)
    _hosts: dict[int, Host] = field(default_factory=dict)
    _cuts: dict[int, CutOut] = field(default_factory=dict)
    _made: dict[str, list[Frame]] = field(default_factory=dict)

    def make(self, kind: str) -> list[Frame]:
        """The pictures of one kind: "cut_paste", "cut_outs", "placebos" or "harmless"."""
        if kind not in self._made:
            ways: dict[str, Callable[[], list[Frame]]] = {
                "cut_paste": self._cut_paste,
                "cut_outs": self._cut_outs,
                "placebos": partial(self._placebos, harmless=False),
                "harmless": partial(self._placebos, harmless=True),
            }
            self._made[kind] = ways[kind]()
        return self._made[kind]

    def _cut_paste(self) -> list[Frame]:
        """A defect's pixels, turned, flipped and scaled, on good stills: nothing is checked."""
        rng = np.random.default_rng(derive_seed(self.seed, "cut-paste"))
        return [
            paste(self.bad[number % len(self.bad)], self._any_good(rng)[1], rng)
            for number in range(self.copies)
        ]

    def _cut_outs(self) -> list[Frame]:
        """Defects put on good stills by what they change in their surround, with all checks."""
        rng = np.random.default_rng(derive_seed(self.seed, "cut-outs"))
        frames = []
        for number in range(self.copies):
            index = number % len(self.bad)
            for _ in range(TRIES):
                host = self._host(self._any_good(rng)[0])
                seed = int(rng.integers(2**31))
                frame = self._with_cut_out(host, index, seed, rng)
                if frame is not None:
                    frames.append(frame)
                    break
        return frames

    def _with_cut_out(
        self, host: Host, index: int, seed: int, rng: np.random.Generator
    ) -> Frame | None:
        """A good still with one defect; None if it was refused."""
        still = self.bad[index]
        if index not in self._cuts:
            self._cuts[index] = cut_out_of(still.picture, still.mask)
        cut = self._cuts[index]
        own = cut.length * max(still.picture.shape[:2]) / host.extent
        size = min(LARGEST, own * float(rng.uniform(*SCALES)))
        order = Order("cut_out", Wish(size), float(rng.uniform(*SEVERITIES)), seed)
        make = partial(make_cut_out, cut_out=cut)
        (layer,), ledger = fulfil(host, [order], [cut.look()], make)
        self.rejected.update(ledger.rejected)
        if layer is None:
            return None
        picture = layer.over(host.picture)
        return Frame(picture, layer.mask(), np.ones(picture.shape[:2], bool))

    def _placebos(self, harmless: bool) -> list[Frame]:
        """Good stills with a patch of their own surface, called good or a defect.

        Args:
            harmless: Whether the mask is empty, as it should be; else it is the patch: a control.
        """
        rng = np.random.default_rng(derive_seed(self.seed, "placebos", str(harmless)))
        DEFECT_TYPES.names()
        frames = []
        for _ in range(self.copies):
            for number in range(TRIES):
                host = self._host(self._any_good(rng)[0])
                layer = self._placebo(host, SHRINK**number, rng)
                if layer is None:
                    continue
                picture = layer.over(host.picture)
                mask = np.zeros(picture.shape[:2], bool)
                if not harmless:
                    left, top, right, bottom = layer.box
                    mask[top:bottom, left:right] = layer.cover > HALF
                frames.append(Frame(picture, mask, np.ones_like(mask)))
                break
        return frames

    def _placebo(self, host: Host, scale: float, rng: np.random.Generator) -> DefectLayer | None:
        """A harmless patch with the outline of some type; None if it was refused."""
        kinds = DEFECT_TYPES.names()
        kind = kinds[int(rng.integers(len(kinds)))]
        low, high = (min(size, PLACEBO_SIZE) for size in DEFECT_TYPES[kind].sizes)
        wish = Wish(scale * float(rng.uniform(low, high)))
        try:
            return make_placebo(host, Order(kind, wish, 0.5, int(rng.integers(2**31))))
        except RefusedError as refused:
            self.rejected[refused.reason] += 1
            return None

    def _any_good(self, rng: np.random.Generator) -> tuple[int, Still]:
        """A good still, by chance."""
        index = int(rng.integers(len(self.good)))
        return index, self.good[index]

    def _host(self, index: int) -> Host:
        """A good still that is all part, measured once."""
        if index not in self._hosts:
            picture = self.good[index].picture
            self._hosts[index] = measure_host(picture, np.ones(picture.shape[:2], bool))
        return self._hosts[index]


def paste(bad: Still, good: Still, rng: np.random.Generator) -> Frame:
    """Put the pixels of a still's defect on another still, as they are.

    Args:
        bad: The defective still.
        good: The other one.
        rng: Chooses turn, flip, size and place.
    """
    rows, columns = np.nonzero(bad.mask)
    box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    patch, mask = bad.picture[box], bad.mask[box]
    turns = int(rng.integers(4))
    patch, mask = np.rot90(patch, turns), np.rot90(mask, turns)
    if rng.uniform() < 0.5:
        patch, mask = patch[:, ::-1], mask[:, ::-1]
    room = good.picture.shape[:2]
    fits = min(1.0, *(side / extent for side, extent in zip(room, mask.shape, strict=True)))
    scale = min(fits, float(rng.uniform(*SCALES)))
    patch, mask = _scaled(patch, scale), _scaled(mask.astype(np.uint8) * 255, scale) > 127
    top, left = (
        int(rng.integers(side - extent + 1)) for side, extent in zip(room, mask.shape, strict=True)
    )
    picture, where = good.picture.copy(), np.zeros(room, bool)
    part = slice(top, top + mask.shape[0]), slice(left, left + mask.shape[1])
    picture[part][mask] = patch[mask]
    where[part] = mask
    return Frame(picture, where, np.ones(room, bool))


def real_frames(stills: Sequence[Still]) -> list[Frame]:
    """Stills as they are."""
    return [as_frame(still) for still in stills]


def _scaled(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """A picture in another size."""
    height, width = (max(1, int(side * scale)) for side in picture.shape[:2])
    resized = cv2.resize(np.ascontiguousarray(picture), (width, height))
    return np.asarray(resized, np.uint8)
