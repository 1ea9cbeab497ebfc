"""What all cells of an experiment share: the real clips, and the store of samples."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.driving import Driving
from flawcast.configs.identity import derive_seed, hash_files
from flawcast.configs.model_card import read_card
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.own_model import own_model
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.uplift.arms import Arm
from flawcast.flows.uplift.data import (
    Material,
    Real,
    Videos,
    choose_real,
    joined,
    pick,
    read_real,
    usable,
)
from flawcast.flows.uplift.detectors.sights import Sight, shown
from flawcast.flows.uplift.making import Maker
from flawcast.flows.uplift.pasting import Pasted, paste_defects
from flawcast.flows.uplift.request import OWN_PARTS, UpliftRequest
from flawcast.flows.uplift.stored import read_samples, store_reading
from flawcast.generators.backbones.base import BACKBONE_FILE
from flawcast.generators.clips import Clip
from flawcast.generators.model import find_model
from flawcast.storage import SampleStore

FREE = {"out", "clips", "model", "k", "seeds", "arms", "detectors", "workers", "ray_address"}
VALIDATION_EVERY = 3  # every third training clip is scored if there is no split for it
KEPT = 2  # K and seeds whose samples are in memory, as one detector sees them


@dataclass
class Experiment:
    """The data of an experiment, read when it is needed.

    Args:
        real: The real clips.
        store: Where samples are.
        maker: Has samples made; None for those of the user's store.
        about: Everything that decides the results, as plain JSON values.
        read: How clips were read, for their masks.
        pasted: Videos of each defect in the arm with pasted defects.
    """

    real: Real
    store: str
    maker: Maker | None
    about: dict[str, Any]
    read: ClipSettings = field(default_factory=ClipSettings)
    pasted: int = 40
    _seen: dict[Sight, Material] = field(default_factory=dict)
    _samples: dict[tuple[object, ...], Videos] = field(default_factory=dict)

    def material(self, see: Sight = shown) -> Material:
        """The real clips as a detector sees them."""
        if see not in self._seen:
            self._seen[see] = self.real.seen_by(see)
        return self._seen[see]

    def make(self, forecaster: str, modes: Sequence[str], k: int, seed: int) -> str | None:
        """Have the samples made, and return a condition for them; None for all of the store."""
        if self.maker is None:
            return None
        real = choose_real(self.material(), k, seed)
        return self.maker.make(forecaster, modes, k, seed, real)

    def samples(self, arm: Arm, k: int, seed: int, see: Sight) -> Videos:
        """The samples that one arm may use at one K and seed, as a detector sees them."""
        if arm.pasted:
            return self._pasted(k, seed, see)
        own = (arm.forecaster, tuple(sorted(arm.modes)), k, seed, see)
        key: tuple[object, ...] = (see,) if self.maker is None else own
        if key not in self._samples:
            where = self.make(arm.forecaster, sorted(arm.modes), k, seed)
            while len(self._samples) >= KEPT:
                del self._samples[next(iter(self._samples))]
            self._samples[key] = read_samples(
                self.store, self.material(), self.real.future, see, where
            )
        material = self.material()
        return usable(self._samples[key], material, choose_real(material, k, seed))

    def _pasted(self, k: int, seed: int, see: Sight) -> Videos:
        """Defects of the clips of one K and seed on their good ones; these as they are, too."""
        material = self.material(see)
        real = choose_real(material, k, seed)
        of_label = [
            [(index, self.real.train[index]) for index in real if labels[index] == number]
            for labels in [material.train.labels]
            for number in range(len(material.names))
        ]
        made = pick(material.train, [index for index, _ in of_label[0]])
        for number, bad in enumerate(of_label[1:], start=1):
            pasted = paste_defects(
                of_label[0],
                bad,
                self.read,
                self.real.future,
                self.pasted,
                derive_seed(seed, "paste", k, number),
            )
            made = joined([made, _as_videos(pasted, number, self.real.train, see)])
        return made


def _as_videos(pasted: Sequence[Pasted], label: int, clips: Sequence[Clip], see: Sight) -> Videos:
    """Pasted defects of one label, as a detector sees them."""
    return Videos(
        torch.stack([see(one.video) for one in pasted]),
        np.full(len(pasted), label),
        tuple(clips[one.good].id for one in pasted),
        tuple(clips[one.bad].id for one in pasted),
        (("", ""),) * len(pasted),
        tuple(f"pasted-{label}-{number}" for number in range(len(pasted))),
    )


@lru_cache(maxsize=1)
def load_experiment(request: UpliftRequest) -> Experiment:
    """Read clips and model, once in each process."""
    validation = VALIDATION_EVERY if request.validation else None
    if request.store is None:
        model = _model_of(request)
        trained = read_card(model).settings
        read, past, future = trained.clips, trained.forecast.past, trained.forecast.future
    else:
        read, past, future = store_reading(request.store)
    real = read_real(request.clips, read, past, future, request.normal, validation)
    about = request.model_dump(mode="json", exclude=FREE)
    for values, names in ((about, ("line_size",)), (about["making"], ("looks", "past", "future"))):
        for name in names:
            if values[name] is None:  # experiments of before do not name it
                del values[name]
    for side, clips in (("train", real.train), ("scored", real.scored)):
        about[side] = [[clip.id, clip.label] for clip in clips]
    if request.store is None:
        about["weights"] = hash_files([model / BACKBONE_FILE])
        maker = Maker(
            request.clips, model, request.out, real.train, request.normal, request.making, read
        )
        return Experiment(real, maker.store, maker, about, read, request.making.per_label)
    about["samples"] = sorted(
        SampleStore.open(request.store).query(rows="samples").column("sample_id").to_pylist()
    )
    return Experiment(real, request.store, None, about, read, request.making.per_label)


def _model_of(request: UpliftRequest) -> Path:
    """The folder of the model; that of the clips' own parts is made in the experiment's folder.

    It knows no label; the experiment fits a forecaster to the clips of each K and seed.
    """
    if request.model != OWN_PARTS:
        return find_model(request.model)
    wanted = GenerateRequest(
        clips=request.clips,
        store=str(request.out / OWN_PARTS),
        settings=GenerateSettings(driving=Driving(), **request.making.horizon),
        workers=request.workers,
    )
    return own_model(wanted, lambda line: None)
