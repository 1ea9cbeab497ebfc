"""The adversarial option: official layout, and losses that pull both ways."""

import json

import pytest
import torch

from flawcast.configs.errors import SettingsError
from flawcast.configs.settings import DiscriminatorParams, LossWeights, MotionTraining
from flawcast.generators.training.discriminator import Adversary, MultiScaleDiscriminator
from flawcast.generators.training.losses.objective import Outcome
from tests.paths import FIXTURES

SMALL = DiscriminatorParams(block_expansion=4, max_features=8, num_blocks=2)


def test_the_official_layout() -> None:
    facts = json.loads((FIXTURES / "parity" / "vox-256.json").read_text())
    params = DiscriminatorParams(**facts["model_params"]["discriminator_params"])
    own = {
        key: list(value.shape)
        for key, value in MultiScaleDiscriminator(10, params).state_dict().items()
    }
    assert own == {key: shape for key, (shape, _) in facts["state_dicts"]["discriminator"].items()}


def test_scales_and_keypoints() -> None:
    params = SMALL.model_copy(update={"scales": (1, 0.5), "use_kp": True, "sn": True})
    judged = MultiScaleDiscriminator(3, params)(torch.rand(2, 3, 32, 32), torch.zeros(2, 3, 2))
    (fine, verdict), (coarse, _) = judged
    assert [len(fine), len(coarse)] == [2, 2]
    assert verdict.shape[:2] == (2, 1)
    assert coarse[-1].shape[-1] < fine[-1].shape[-1]


@pytest.mark.parametrize("mode", ["ls", "hinge"])
def test_it_learns_to_tell_real_from_fake(mode: str) -> None:
    torch.manual_seed(0)
    weights = LossWeights(generator_gan=1, feature_matching=(1, 1))
    settings = MotionTraining(
        discriminator=SMALL, loss_weights=weights, gan_mode=mode, learning_rate=1e-2
    )
    adversary = Adversary(1, settings, torch.device("cpu"))
    real = torch.rand(8, 3, 16, 16)
    outcome = Outcome({}, 0.3 * torch.rand(8, 3, 16, 16), torch.zeros(8, 1, 2))
    losses = []
    for _ in range(60):
        adversary.optimiser.zero_grad()
        losses.append(adversary.learn(outcome, real).item())
        adversary.optimiser.step()
    assert losses[-1] < 0.5 * losses[0]
    fooled = adversary.losses(Outcome({}, real, outcome.positions), real)
    caught = adversary.losses(outcome, real)
    assert fooled["generator_gan"] < caught["generator_gan"]
    assert fooled["feature_matching"] == 0 < caught["feature_matching"]


def test_the_backbones_gradients_leave_the_discriminator_alone() -> None:
    settings = MotionTraining(
        discriminator=SMALL, loss_weights=LossWeights(generator_gan=1, feature_matching=(1, 1))
    )
    adversary = Adversary(1, settings, torch.device("cpu"))
    prediction = torch.rand(2, 3, 16, 16, requires_grad=True)
    losses = adversary.losses(
        Outcome({}, prediction, torch.zeros(2, 1, 2)), torch.rand(2, 3, 16, 16)
    )
    torch.stack(list(losses.values())).sum().backward()
    assert prediction.grad is not None
    assert all(value.grad is None for value in adversary.discriminator.parameters())


def test_as_many_weights_as_blocks() -> None:
    settings = MotionTraining(discriminator=SMALL, loss_weights=LossWeights(generator_gan=1))
    with pytest.raises(SettingsError, match=r"expected 2 weights.*got 4"):
        Adversary(1, settings, torch.device("cpu"))
