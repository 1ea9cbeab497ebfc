"""The adversarial option of motion training: a patch discriminator and its losses."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from flawcast.configs.errors import SettingsError
from flawcast.configs.settings import DiscriminatorParams, MotionTraining
from flawcast.generators.blocks.geometry import gaussian_maps
from flawcast.generators.blocks.layers import AntiAliasInterpolation
from flawcast.generators.training.losses.objective import Outcome

KEYPOINT_VARIANCE = 0.01  # of the bumps that show a discriminator the keypoints
BETAS = (0.5, 0.999)
DISCRIMINATOR = "discriminator"  # its name among the networks that have a learning rate


class Block(nn.Module):
    """Convolution, instance norm, leaky ReLU, then half the resolution."""

    def __init__(self, inputs: int, outputs: int, norm: bool, pool: bool, sn: bool) -> None:
        super().__init__()
        convolution = nn.Conv2d(inputs, outputs, 4)
        self.conv = spectral_norm(convolution) if sn else convolution
        self.norm = nn.InstanceNorm2d(outputs, affine=True) if norm else None
        self.pool = pool

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', (H - 3) / 2, (W - 3) / 2), or without the halving."""
        features = self.conv(features)
        features = features if self.norm is None else self.norm(features)
        features = F.leaky_relu(features, 0.2)
        return F.avg_pool2d(features, 2) if self.pool else features


class PatchDiscriminator(nn.Module):
    """Scores how real every patch of a frame looks (Isola et al., 2017)."""

    def __init__(self, keypoints: int, params: DiscriminatorParams) -> None:
        super().__init__()
        self.sees_keypoints = params.use_kp
        widths = [3 + params.use_kp * keypoints] + [
            min(params.max_features, params.block_expansion * 2 ** (level + 1))
            for level in range(params.num_blocks)
        ]
        last = params.num_blocks - 1
        self.down_blocks = nn.ModuleList(
            Block(widths[level], widths[level + 1], level > 0, level < last, params.sn)
            for level in range(params.num_blocks)
        )
        convolution = nn.Conv2d(widths[-1], 1, 1)
        self.conv = spectral_norm(convolution) if params.sn else convolution

    def forward(self, frames: Tensor, positions: Tensor) -> tuple[list[Tensor], Tensor]:
        """Frames (B, 3, H, W) and keypoints (B, K, 2) -> feature maps and verdicts."""
        size = (frames.shape[2], frames.shape[3])
        if self.sees_keypoints:
            bumps = gaussian_maps(positions, size, KEYPOINT_VARIANCE)
            frames = torch.cat([frames, bumps], dim=1)
        maps = [frames]
        for block in self.down_blocks:
            maps.append(block(maps[-1]))
        return maps[1:], self.conv(maps[-1])


class MultiScaleDiscriminator(nn.Module):
    """A patch discriminator for each scale of an image pyramid, named as in official checkpoints.

    Args:
        keypoints: K.
        params: Scales and sizes.
    """

    def __init__(self, keypoints: int, params: DiscriminatorParams) -> None:
        super().__init__()
        self.discs = nn.ModuleDict(
            {_key(scale): PatchDiscriminator(keypoints, params) for scale in params.scales}
        )
        self.down = {_key(scale): AntiAliasInterpolation(3, scale) for scale in params.scales}

    def forward(self, frames: Tensor, positions: Tensor) -> list[tuple[list[Tensor], Tensor]]:
        """Feature maps and verdicts at every scale."""
        return [
            disc(self.down[key].to(frames.device)(frames), positions)
            for key, disc in self.discs.items()
        ]


def _key(scale: float) -> str:
    """Name of a scale in a state dict: 1, 0-5, ..."""
    return f"{scale:g}".replace(".", "-")


class Adversary:
    """A discriminator with its optimiser, and the losses that it gives the backbone.

    Args:
        keypoints: K.
        settings: Sizes, weights, mode and rate.
        device: Device of the backbone.

    Raises:
        SettingsError: If the numbers of feature-matching weights and of blocks differ.

    Reference:
        Siarohin et al., 2019, https://arxiv.org/abs/2003.00196 (least squares);
        Wang et al., 2021, https://arxiv.org/abs/2011.15126 (hinge)
    """

    def __init__(self, keypoints: int, settings: MotionTraining, device: torch.device) -> None:
        blocks = settings.discriminator.num_blocks
        if len(settings.loss_weights.feature_matching) != blocks:
            raise SettingsError(
                f"feature_matching: expected {blocks} weights, one for each block of the "
                f"discriminator, got {len(settings.loss_weights.feature_matching)}"
            )
        self.settings = settings
        self.discriminator = MultiScaleDiscriminator(keypoints, settings.discriminator).to(device)
        self.optimiser = torch.optim.Adam(
            [{"params": list(self.discriminator.parameters()), "name": DISCRIMINATOR}],
            lr=settings.learning_rate,
            betas=BETAS,
        )
        self._deceived, self._real, self._fake = _VERDICTS[settings.gan_mode]

    def losses(self, outcome: Outcome, driving: Tensor) -> dict[str, Tensor]:
        """Losses of the backbone: its frames should pass as real and have similar features."""
        weights = self.settings.loss_weights
        positions = outcome.positions.detach()
        self.discriminator.requires_grad_(False)  # it learns from its own loss only
        judged = self.discriminator(outcome.prediction, positions)
        with torch.no_grad():
            true = self.discriminator(driving, positions)
        deceived, alike = driving.new_zeros(()), driving.new_zeros(())
        for (maps, verdict), (wanted, _) in zip(judged, true, strict=True):
            deceived = deceived + self._deceived(verdict)
            for weight, ours, theirs in zip(weights.feature_matching, maps, wanted, strict=True):
                alike = alike + weight * (ours - theirs).abs().mean()
        return {"generator_gan": weights.generator_gan * deceived, "feature_matching": alike}

    def learn(self, outcome: Outcome, driving: Tensor) -> Tensor:
        """Accumulate gradients of the discriminator's loss and return it, without a graph."""
        positions, fake = outcome.positions.detach(), outcome.prediction.detach()
        self.discriminator.requires_grad_(True)
        loss = driving.new_zeros(())
        pairs = zip(
            self.discriminator(driving, positions),
            self.discriminator(fake, positions),
            strict=True,
        )
        for (_, real), (_, generated) in pairs:
            loss = loss + self._real(real) + self._fake(generated)
        loss = self.settings.loss_weights.discriminator_gan * loss
        (loss / self.settings.accumulate).backward()
        return loss.detach()


Verdict = Callable[[Tensor], Tensor]

# For each mode: the backbone's loss of a fake, the discriminator's loss of a real and of a fake.
_VERDICTS: dict[str, tuple[Verdict, Verdict, Verdict]] = {
    "ls": (
        lambda verdict: ((1 - verdict) ** 2).mean(),
        lambda verdict: ((1 - verdict) ** 2).mean(),
        lambda verdict: (verdict**2).mean(),
    ),
    "hinge": (
        lambda verdict: -verdict.mean(),
        lambda verdict: F.relu(1 - verdict).mean(),
        lambda verdict: F.relu(1 + verdict).mean(),
    ),
}
