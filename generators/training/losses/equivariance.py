"""Random smooth warps, and the losses that ask keypoints to follow them."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from flawcast.configs.settings import TransformParams
from flawcast.generators.blocks.geometry import coordinate_grid


@dataclass(frozen=True)
class RandomWarp:
    """An affine map plus a thin-plate spline for each frame of a batch.

    Args:
        affine: (B, 2, 3).
        control: Control points of the spline, (P, 2) in [-1, 1].
        strength: Weight of each control point, (B, P).

    Reference:
        Siarohin et al., 2019, https://arxiv.org/abs/2003.00196, section 3.3 and supplement A
    """

    affine: Tensor
    control: Tensor
    strength: Tensor

    @staticmethod
    def draw(batch: int, params: TransformParams, generator: torch.Generator) -> "RandomWarp":
        """Draw a warp for each of `batch` frames, on the CPU."""
        noise = torch.randn(batch, 2, 3, generator=generator)
        points = params.points_tps
        control = coordinate_grid(points, points, noise).flatten(0, 1)
        strength = torch.randn(batch, points**2, generator=generator)
        return RandomWarp(
            torch.eye(2, 3) + params.sigma_affine * noise, control, params.sigma_tps * strength
        )

    def to(self, device: torch.device) -> "RandomWarp":
        """The same warp on another device."""
        return RandomWarp(self.affine.to(device), self.control.to(device), self.strength.to(device))

    def points(self, positions: Tensor) -> Tensor:
        """Where positions come from: (B, n, 2) -> (B, n, 2)."""
        moved = positions @ self.affine[:, :, :2].mT + self.affine[:, None, :, 2]
        distance = (positions[:, :, None] - self.control).abs().sum(-1)  # (B, n, P)
        bend = (distance**2 * torch.log(distance + 1e-6) * self.strength[:, None]).sum(-1)
        return moved + bend[..., None]

    def frames(self, frames: Tensor) -> Tensor:
        """Warp frames (B, 3, H, W), mirrored at the border."""
        grid = coordinate_grid(frames.shape[2], frames.shape[3], frames)
        positions = self.points(grid.flatten(0, 1).expand(len(frames), -1, -1))
        return F.grid_sample(
            frames,
            positions.view(len(frames), *grid.shape),
            padding_mode="reflection",
            align_corners=False,
        )

    def jacobian(self, positions: Tensor) -> Tensor:
        """Derivative of `points` at positions: (B, n, 2) -> (B, n, 2, 2), differentiable."""
        if not positions.requires_grad:
            positions = positions.detach().requires_grad_()
        moved = self.points(positions)
        rows = [
            torch.autograd.grad(moved[..., axis].sum(), positions, create_graph=True)[0]
            for axis in range(2)
        ]
        return torch.stack(rows, dim=-2)
