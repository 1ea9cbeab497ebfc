"""Write the numbers of drawn frames: `python -m tests.generators.backbones.record_parity`.

Only right after the originals' numbers of photographs were reproduced by the slow tests.
"""

import json

import cv2
import numpy as np

from tests.generators.backbones.parity_numbers import NUMBERS, OF_SOURCE
from tests.parity import Parity
from tests.paths import FIXTURES

SIZE = 128
SEED = 7  # of the weights, as for the photographs


def record(name: str) -> None:
    """Draw two frames of soft colours, and keep them with what the model says."""
    rng = np.random.default_rng(0)
    truth = {
        key: cv2.resize(rng.integers(0, 256, (6, 6, 3), np.uint8), (SIZE, SIZE))
        for key in ("source", "driving0")
    }
    facts = json.loads((FIXTURES / "parity" / f"{name}.json").read_text())
    reference = Parity(facts, truth | {"seed": np.int64(SEED)})
    backbone, numbers_of = NUMBERS[name]
    numbers = numbers_of(
        reference.model(backbone), reference.frame("source"), reference.frame("driving0")
    )
    for key, value in numbers.items():
        stored = value.astype(np.float16) if key.startswith("prediction") else value
        truth[key if key in OF_SOURCE else f"{key}0"] = stored
    np.savez_compressed(FIXTURES / "parity" / f"{name}.npz", seed=SEED, **truth)


if __name__ == "__main__":
    for each in NUMBERS:
        record(each)
