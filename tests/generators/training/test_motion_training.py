"""Training pairs, warps and losses of the motion model, and that training trains."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from flawcast.configs.errors import ModelError, SettingsError
from flawcast.configs.settings import (
    DiscriminatorParams,
    LossWeights,
    MotionTraining,
    TransformParams,
)
from flawcast.generators.backbones import build_backbone
from flawcast.generators.blocks.geometry import coordinate_grid, inverse_2x2, warp
from flawcast.generators.training.losses.equivariance import RandomWarp
from flawcast.generators.training.losses.perceptual import PerceptualLoss, VGG19Features
from flawcast.generators.training.motion import reconstruction_error, train_backbone
from flawcast.generators.training.pairs import draw_pairs
from tests.conftest import TINY_FOMM

SETTINGS = MotionTraining(steps=3, batch=4, scales=(1, 0.5))


@pytest.fixture
def videos(rng: np.random.Generator) -> list[np.ndarray]:
    """A bright square that moves over a fixed background."""
    clips = []
    for _ in range(4):
        background = rng.integers(0, 80, (32, 32, 3))
        frames = np.repeat(background[None], 8, axis=0)
        top = rng.integers(2, 20)
        for time in range(8):
            frames[time, top : top + 10, 2 + 2 * time : 12 + 2 * time] = 220
        clips.append(frames.astype(np.uint8))
    return clips


def weights_hash(model: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for value in model.state_dict().values():
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def test_equal_seeds_train_equal_weights(videos: list[np.ndarray]) -> None:
    hashes = set()
    for _ in range(2):
        model = build_backbone("fomm", TINY_FOMM, seed=1)
        train_backbone(model, videos, SETTINGS, seed=2)
        hashes.add(weights_hash(model))
    assert len(hashes) == 1


def test_training_lowers_the_reconstruction_error(videos: list[np.ndarray]) -> None:
    model = build_backbone("fomm", TINY_FOMM).eval()
    before = reconstruction_error(model, videos)
    settings = MotionTraining(steps=60, batch=4, learning_rate=3e-3, scales=(1, 0.5))
    train_backbone(model, videos, settings, seed=0)
    after = reconstruction_error(model, videos)
    assert after.model < 0.5 * before.model
    assert after.copy == before.copy > 0


@pytest.mark.slow
def test_bf16_trains_to_the_same_error_on_clips_it_has_not_seen(videos: list[np.ndarray]) -> None:
    """Within 3 percent, as the mean of three seeds: one training varies more than that."""
    errors = dict[str, list[float]]()
    for precision in ("fp32", "bf16"):
        settings = MotionTraining(steps=240, batch=8, scales=(1, 0.5), precision=precision)
        for seed in range(3):
            model = build_backbone("fomm", TINY_FOMM, seed=seed)
            train_backbone(model, videos[:3], settings, seed)
            found = reconstruction_error(model, videos[3:])
            errors.setdefault(precision, []).append(found.model)
    single, half = (float(np.mean(one)) for one in errors.values())
    assert half == pytest.approx(single, rel=0.03)


def test_a_pair_is_of_one_clip_and_augmented_alike(videos: list[np.ndarray]) -> None:
    still = [np.repeat(video[:1], 2, axis=0) for video in videos]
    source, driving = draw_pairs(still, SETTINGS, torch.Generator().manual_seed(0))
    torch.testing.assert_close(source, driving)


def test_a_loss_that_is_not_finite_stops_the_training(videos: list[np.ndarray]) -> None:
    model = build_backbone("fomm", TINY_FOMM)
    with torch.no_grad():
        next(model.parameters()).fill_(torch.inf)
    with pytest.raises(ModelError, match=r"not finite at step 1; lower motion.learning_rate"):
        train_backbone(model, videos, SETTINGS, seed=0)


def test_warp_jacobian_equals_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    params = TransformParams(sigma_tps=0.05)
    drawn = RandomWarp.draw(2, params, generator)
    positions = torch.rand(2, 5, 2, generator=generator) - 0.5
    step = 1e-3
    columns = []
    for axis in range(2):
        shift = torch.zeros(2)
        shift[axis] = step
        columns.append(
            (drawn.points(positions + shift) - drawn.points(positions - shift)) / 2 / step
        )
    torch.testing.assert_close(
        drawn.jacobian(positions), torch.stack(columns, dim=-1), atol=2e-3, rtol=2e-3
    )


def test_warp_without_noise_changes_nothing() -> None:
    drawn = RandomWarp.draw(
        2, TransformParams(sigma_affine=0, sigma_tps=0), torch.Generator().manual_seed(0)
    )
    positions = torch.rand(2, 5, 2)
    torch.testing.assert_close(drawn.points(positions), positions)


def test_singular_jacobians_have_a_finite_inverse() -> None:
    matrices = torch.cat([torch.zeros(1, 2, 2), torch.randn(20, 2, 2)])
    inverse = inverse_2x2(matrices)
    assert inverse.isfinite().all()
    torch.testing.assert_close(inverse[1:], torch.linalg.inv(matrices[1:]), atol=1e-3, rtol=1e-3)


def test_identity_flow_leaves_an_image_nearly_as_it_is() -> None:
    """The library's sampling convention shifts corners by half a pixel, as the original does."""
    image = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    grid = coordinate_grid(64, 64, image)[None]
    inner = (warp(image, grid) - image)[..., 2:-2, 2:-2]
    assert inner.abs().max() < 0.02


def test_perceptual_loss_is_zero_for_equal_frames_and_sees_blur() -> None:
    frames = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    loss = PerceptualLoss(SETTINGS)
    blurred = torch.nn.functional.avg_pool2d(frames, 3, stride=1, padding=1)
    assert loss(frames, frames) == 0
    assert loss(blurred, frames) > 0


def test_vgg_features_come_from_the_users_file(tmp_path: Path) -> None:
    layers, inputs, index = {}, 3, 0
    for outputs in VGG19Features.CHANNELS:
        if outputs:
            layers[f"features.{index}.weight"] = 0.01 * torch.randn(outputs, inputs, 3, 3)
            layers[f"features.{index}.bias"] = torch.zeros(outputs)
            inputs, index = outputs, index + 2
        else:
            index += 1
    torch.save(layers | {"classifier.0.weight": torch.zeros(1)}, tmp_path / "vgg19.pth")
    levels = VGG19Features(tmp_path / "vgg19.pth")(torch.rand(1, 3, 32, 32))
    assert [level.shape[1] for level in levels] == [64, 128, 256, 512, 512]
    del layers["features.28.weight"]
    torch.save(layers, tmp_path / "broken.pth")
    with pytest.raises(ModelError, match=r"lacks.*features.28.weight"):
        VGG19Features(tmp_path / "broken.pth")


def test_features_that_would_run_code_are_refused(tmp_path: Path) -> None:
    torch.save({"features.0.weight": print}, tmp_path / "evil.pth")
    with pytest.raises(ModelError, match="cannot read"):
        VGG19Features(tmp_path / "evil.pth")


def test_vgg_without_a_file_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match="name the file or use features: random"):
        PerceptualLoss(SETTINGS.model_copy(update={"features": "vgg19"}))


def test_the_discriminator_may_have_a_rate_of_its_own(videos: list[np.ndarray]) -> None:
    """Official files name one; a rate of 0 leaves it as it was, and so what it asks for."""
    losses = {}
    for rate in (0.0, 1.0):
        asked = MotionTraining(
            steps=3,
            batch=2,
            scales=(1,),
            rates={"discriminator": rate},
            loss_weights=LossWeights(generator_gan=1, feature_matching=(1.0,)),
            discriminator=DiscriminatorParams(num_blocks=1, block_expansion=4),
        )
        seen: list[float] = []
        train_backbone(
            build_backbone("fomm", TINY_FOMM),
            videos,
            asked,
            0,
            lambda step, found, seen=seen: seen.append(found["discriminator_gan"]),
        )
        losses[rate] = seen
    assert losses[0.0][0] == losses[1.0][0]
    assert losses[0.0][1:] != losses[1.0][1:]
    with pytest.raises(SettingsError, match="expected sub-networks of fomm"):
        train_backbone(
            build_backbone("fomm", TINY_FOMM), videos, MotionTraining(rates={"nobody": 1}), 0
        )
