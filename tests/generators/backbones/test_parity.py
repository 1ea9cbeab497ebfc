"""Published architectures give the reference numbers, with the official keys.

The originals' numbers are of photographs that are not ours to give away: they are compared where
the folder `../shared` is. `tests/fixtures/parity` holds the official keys and shapes, and numbers
of drawn frames that this code computed when it agreed with the originals
(tests/fixtures/README.md).
"""

from pathlib import Path

import numpy as np
import pytest

from tests.generators.backbones.parity_numbers import NUMBERS, OF_SOURCE
from tests.parity import Parity


def expect_numbers(name: str, reference: Parity) -> None:
    """Keypoints within 1e-4 and frames within 2e-3, 2e-4 on average."""
    backbone, numbers_of = NUMBERS[name]
    model, truth = reference.model(backbone), reference.truth
    times = [key.removeprefix("prediction") for key in truth if key.startswith("prediction")]
    times = [time for time in times if time.isdigit()]
    assert times
    for time in times:
        if f"driving{time}_yaw" in truth:
            pose = [truth[f"driving{time}_{part}"] for part in ("yaw", "pitch", "roll", "t", "exp")]
            truth[f"pose{time}"] = np.concatenate(pose)
        numbers = numbers_of(model, reference.frame("source"), reference.frame(f"driving{time}"))
        for key, found in numbers.items():
            wanted = truth[key if key in OF_SOURCE else f"{key}{time}"]
            if key.startswith("prediction"):
                error = np.abs(found - wanted)
                assert error.max() < 2e-3, key
                assert error.mean() < 2e-4, key
            else:
                np.testing.assert_allclose(found, wanted, atol=1e-4, err_msg=key)


@pytest.mark.parametrize("name", NUMBERS)
def test_drawn_frames_give_the_numbers_of_before(name: str) -> None:
    expect_numbers(name, Parity.load(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", NUMBERS)
def test_photographs_give_the_numbers_of_the_original(name: str, shared: Path) -> None:
    expect_numbers(name, Parity.load(name, shared / "parity"))
