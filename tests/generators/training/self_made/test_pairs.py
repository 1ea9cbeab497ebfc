"""Self-made pairs: what is said of their motion is what their pictures show."""

import numpy as np
import pytest
import torch

from flawcast.configs.adapt_settings import AdaptLosses, PastedPoses
from flawcast.generators.backbones.fomm import DenseMotion, Keypoints
from flawcast.generators.training.self_made.drawn import DrawnStock
from flawcast.generators.training.self_made.losses import (
    composed,
    drawn_part,
    inverted,
    moved,
    pyramid,
)
from flawcast.generators.training.self_made.motion_losses import motion_losses
from flawcast.generators.training.self_made.objects import Stock
from flawcast.generators.training.self_made.pairs import PairBatch, draw_batch
from tests.generators.training.self_made.tiny import SIDE, stock

PLAIN = PastedPoses(cover=0, clutter=0, shadow=0, shake=0, light=0, noise=0)


def _drawn(source: Stock, poses: PastedPoses = PLAIN, seed: int = 0) -> PairBatch:
    return draw_batch(source, 4, SIDE, poses, np.random.default_rng(seed))


@pytest.mark.parametrize("source", [stock(), DrawnStock(SIDE, 0)], ids=["clips", "drawn"])
def test_a_part_lies_where_its_pose_says(source: Stock) -> None:
    pairs = _drawn(source)
    layer = drawn_part(pairs.part, pairs.driving_pose, SIDE)
    composite = pairs.behind * (1 - layer[:, 3:]) + layer[:, :3]
    assert (layer[:, 3:] - pairs.alpha).abs().mean() < 0.015  # the picture is 64 pixels wide
    assert (composite - pairs.driving).abs().mean() < 0.02
    assert pairs.alpha.max() > 0.9


def test_the_true_motion_takes_points_from_source_to_driving_frame() -> None:
    pairs = _drawn(stock())
    motion = composed(pairs.driving_pose, inverted(pairs.source_pose))
    there = moved(moved(pairs.points, pairs.source_pose), motion)
    assert torch.allclose(there, moved(pairs.points, pairs.driving_pose), atol=1e-4)


def test_equal_seeds_give_equal_pairs_and_others_do_not() -> None:
    first, again, other = (_drawn(stock(), PastedPoses(), seed) for seed in (0, 0, 1))
    assert all(
        torch.equal(a, b) for a, b in zip(vars(first).values(), vars(again).values(), strict=True)
    )
    assert not torch.equal(first.source, other.source)


def test_drawn_parts_do_not_depend_on_what_was_drawn_before() -> None:
    fresh, used = DrawnStock(SIDE, 3), DrawnStock(SIDE, 3)
    used.draw(np.random.default_rng(5))
    pictures = [one.draw(np.random.default_rng(9)) for one in (fresh, used)]
    assert np.array_equal(pictures[0].part.pixels, pictures[1].part.pixels)
    assert np.array_equal(pictures[0].shown, pictures[1].shown)


def test_parts_are_wholly_within_their_alpha() -> None:
    for number in range(6):
        part = DrawnStock(SIDE, 1).draw(np.random.default_rng(number)).part.pixels
        assert (part[..., :3] <= part[..., 3:].astype(int) + 1).all()


def test_the_pyramid_is_zero_for_equal_pictures_alone() -> None:
    pictures = torch.rand(2, 3, 16, 16)
    assert pyramid(pictures, pictures) == 0
    assert pyramid(pictures, pictures.flip(-1)) > 0.1


def test_a_true_dense_motion_has_no_error() -> None:
    """The identity is right where nothing was pasted elsewhere: both poses are the same."""
    pairs = _drawn(stock())
    still = PairBatch(
        **{
            **vars(pairs),
            "source": pairs.driving,
            "source_alpha": pairs.alpha,
            "source_pose": pairs.driving_pose,
        }
    )
    line = torch.linspace(-1, 1, 12)
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).expand(4, -1, -1, -1)
    points = Keypoints(torch.zeros(4, 10, 2), torch.eye(2).expand(4, 10, 2, 2))
    occlusion = torch.ones(4, 1, 12, 12)
    losses, error = motion_losses(
        points, points, DenseMotion(grid, occlusion), still, AdaptLosses()
    )
    assert error < 1e-3
    assert losses["flow"] < 0.05
    assert losses["composite"] < 1e-3
