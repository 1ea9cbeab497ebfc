"""What all cells of an experiment share: the real clips, and the store of samples."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from flawcast.configs.identity import hash_files
from flawcast.configs.model_card import read_card
from flawcast.flows.uplift.arms import Arm
from flawcast.flows.uplift.data import Material, Real, Videos, choose_real, read_real, usable
from flawcast.flows.uplift.detectors.sights import Sight, shown
from flawcast.flows.uplift.making import Maker
from flawcast.flows.uplift.request import UpliftRequest
from flawcast.flows.uplift.stored import read_samples, store_reading
from flawcast.generators.backbones.base import BACKBONE_FILE
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
    """

    real: Real
    store: str
    maker: Maker | None
    about: dict[str, Any]
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


@lru_cache(maxsize=1)
def load_experiment(request: UpliftRequest) -> Experiment:
    """Read clips and model, once in each process."""
    validation = VALIDATION_EVERY if request.validation else None
    if request.store is None:
        model = find_model(request.model)
        trained = read_card(model).settings
        read, past, future = trained.clips, trained.forecast.past, trained.forecast.future
    else:
        read, past, future = store_reading(request.store)
    real = read_real(request.clips, read, past, future, request.normal, validation)
    about = request.model_dump(mode="json", exclude=FREE)
    for side, clips in (("train", real.train), ("scored", real.scored)):
        about[side] = [[clip.id, clip.label] for clip in clips]
    if request.store is None:
        about["weights"] = hash_files([model / BACKBONE_FILE])
        maker = Maker(request.clips, model, request.out, real.train, request.normal, request.making)
        return Experiment(real, maker.store, maker, about)
    about["samples"] = sorted(
        SampleStore.open(request.store).query(rows="samples").column("sample_id").to_pylist()
    )
    return Experiment(real, request.store, None, about)
