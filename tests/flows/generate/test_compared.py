"""Futures compared in their parts' boxes: the errors, the choice and the frames of whole frames."""

import numpy as np
import pytest

from flawcast.flows.generate.compared import Compared
from flawcast.generators.backbones.layers import appearance, observe
from flawcast.generators.backbones.layers.stored import to_arrays
from flawcast.selection.metrics import mae
from flawcast.selection.selectors import Candidates, lowest_mae
from flawcast.storage import Layers
from tests.generators.backbones.layers.drawn_clips import draw_clip

FUTURES, KEEP = 12, 4


@pytest.fixture(scope="module", params=[0, 12], ids=["plate", "belt"])
def layers(request: pytest.FixtureRequest) -> Layers:
    """Futures that go somewhat elsewhere than the clip, two of them alike and one out of sight."""
    frames, _ = draw_clip(weave=request.param)
    seen = observe(frames)
    way = np.repeat(seen.keypoints[None, 4:9], FUTURES, axis=0).reshape(FUTURES, 5, -1, 6)
    way[..., :2] += np.random.default_rng(0).normal(0, 0.1, (FUTURES, 1, 1, 2))
    way[3], way[5, ..., 0] = way[2], 5
    return Layers(
        renderer="layers",
        size=(frames.shape[1], frames.shape[2]),
        source=to_arrays(appearance(seen, frames, [2])),
        keypoints=way.reshape(FUTURES, 5, -1).astype(np.float32),
        seeds=np.full(FUTURES, -1),
    )


def test_choice_errors_and_frames_are_those_of_whole_frames(layers: Layers) -> None:
    frames, _ = draw_clip(weave=12)
    reference = frames[4:9]
    videos = np.asarray(layers.videos())
    errors = mae(videos, reference)
    wanted = lowest_mae(Candidates(videos, errors), KEEP)
    done: list[int] = []
    compared = Compared(layers, reference)
    found = compared.closest(np.zeros(FUTURES), KEEP, done.append)
    assert found.indices.tolist() == wanted.tolist()
    assert np.array_equal(found.mae[wanted], errors[wanted])
    assert (found.mae <= errors).all()
    assert (np.delete(found.mae, wanted) >= errors[wanted].max()).all()
    assert done[-1] == FUTURES
    assert found.drawn < FUTURES * len(reference)
    assert (compared.least.sum(axis=1) <= errors * reference.size * 255 + 1e-6).all()
    for time, some in enumerate(compared.by_time([0, 5, 3])):
        assert np.array_equal(some, videos[[0, 5, 3], time])
