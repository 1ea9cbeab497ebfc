"""Futures of rigid parts: no part is torn, and windows that move elsewhere are examples, too."""

import torch
from torch import Tensor

from flawcast.generators.forecasters import KeypointPredictor

POINTS = 4  # with 6 values each


def track(
    velocity: tuple[float, float], seed: int, frames: int = 40, jitter: float = 0.0
) -> Tensor:
    """Keypoints of a rigid part that moves on, with a common change of speed: (T, D)."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand(POINTS, 2, generator=generator) - 0.5
    speed = 1 + jitter * torch.randn(frames, 1, 1, generator=generator)
    way = (speed * torch.tensor(velocity)).cumsum(0)  # (T, 1, 2)
    jacobians = torch.eye(2).flatten().expand(frames, POINTS, 4)
    return torch.cat([places + way, jacobians], dim=2).flatten(1)


def fitted(*series: Tensor) -> KeypointPredictor:
    predictor = KeypointPredictor("rigid_ridge", POINTS * 6, {"horizon": 6})
    predictor.fit(series, 6, 6)
    return predictor


def positions(keypoints: Tensor) -> Tensor:
    return keypoints.unflatten(-1, (-1, 6))[..., :2]


def test_a_steady_motion_goes_on_whatever_its_direction() -> None:
    predictor = fitted(track((0.02, 0), 0), track((0.03, 0), 1))
    down = track((0, -0.025), 2)
    torch.testing.assert_close(predictor.predict(down[:6], 6), down[6:12], atol=1e-3, rtol=0)


def test_sampled_parts_stay_rigid() -> None:
    predictor = fitted(*(track((0.02, 0.01), seed, jitter=0.5) for seed in range(4)))
    past = track((0.02, 0.01), 9, jitter=0.5)[:6]
    futures = predictor.sample(past, 6, 50, torch.Generator().manual_seed(0))
    places = positions(futures)  # (N, F, K, 2)
    shape = places - places.mean(dim=2, keepdim=True)
    own = positions(past)[-1]
    torch.testing.assert_close(shape, (own - own.mean(dim=0)).expand_as(shape), atol=1e-5, rtol=0)
    assert places[:, -1, 0].std(dim=0).max() > 0.01  # and yet they differ


def test_differences_lie_along_the_motion_of_the_window() -> None:
    """What was seen to the right is an example of what happens to a part that moves down."""
    predictor = fitted(*(track((0.03, 0), seed, jitter=0.5) for seed in range(4)))
    past = track((0, 0.03), 9, jitter=0.5)[:6]
    futures = positions(predictor.sample(past, 6, 80, torch.Generator().manual_seed(0)))
    across, along = futures[:, -1, 0].std(dim=0).tolist()
    assert across < 0.05 * along


def test_a_longer_future_goes_on_block_by_block() -> None:
    predictor = fitted(*(track((0.02, 0), seed) for seed in range(3)))
    steady = track((0.02, 0), 5)
    torch.testing.assert_close(predictor.predict(steady[:6], 20), steady[6:26], atol=5e-3, rtol=0)
