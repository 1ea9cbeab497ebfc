"""A small face-vid2vid, and its losses on random frames."""

import torch

from flawcast.configs.settings import TransformParams
from flawcast.generators.backbones import build_backbone
from flawcast.generators.backbones.vid2vid.model import Vid2Vid
from flawcast.generators.training.losses.equivariance import RandomWarp
from flawcast.generators.training.losses.objective import Objective, Outcome, Pairs
from tests.conftest import TINY_VID2VID

SIZE = 32


def tiny(generator: str = "original") -> Vid2Vid:
    """A model of the smallest sizes, with one of the two generators."""
    model = build_backbone("vid2vid", TINY_VID2VID | {"generator": generator}, seed=1)
    assert isinstance(model, Vid2Vid)
    return model


def outcome_of(model: Vid2Vid, objective: Objective) -> Outcome:
    """The losses of a model on four pairs of random frames."""
    source, driving = torch.rand(2, 4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    warp = RandomWarp.draw(4, TransformParams(), torch.Generator().manual_seed(0))
    return model.losses(Pairs(source, driving, warp), objective)
