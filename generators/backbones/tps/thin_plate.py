"""Thin-plate splines that map the keypoints of one frame onto those of another."""

import torch
import torch.nn.functional as F
from torch import Tensor

from flawcast.generators.blocks.geometry import coordinate_grid

STIFFNESS = 0.01  # added to the system's diagonal: close control points do not blow the spline up


def thin_plate_motions(driving: Tensor, source: Tensor, size: tuple[int, int]) -> Tensor:
    """Backward flow of the splines that carry driving keypoints to the source's.

    Args:
        driving: Control points in the driving frame, N splines of P points, (B, N, P, 2) in
            [-1, 1].
        source: The same points in the source frame, (B, N, P, 2).
        size: Height and width of the flow.

    Returns:
        Where in the source each pixel comes from, (B, N, H, W, 2), float32, with the centres of the
        outer pixels at -1 and 1.

    Reference:
        Bookstein, 1989, https://doi.org/10.1109/34.24792; Zhao & Zhang, 2022, eq. 1 and 2
    """
    # Half precision would move pixels by whole pixels: this part always computes in single.
    with torch.autocast(driving.device.type, enabled=False):
        driving, source = driving.float(), source.float()
        weights = _fit(driving, source)  # (B, N, P + 3, 2)
        grid = coordinate_grid(*size, driving).flatten(0, 1)  # (H*W, 2)
        bends = _radial(grid[:, None] - driving[:, :, None])  # (B, N, H*W, P)
        affine = _homogeneous(grid).expand(*bends.shape[:2], -1, -1)
        return (torch.cat([bends, affine], dim=-1) @ weights).unflatten(2, size)


def affine_motion(matrix: Tensor, size: tuple[int, int]) -> Tensor:
    """Backward flow of an affine map: (B, 3, 3) -> (B, H, W, 2)."""
    with torch.autocast(matrix.device.type, enabled=False):
        matrix = matrix.float()
        grid = coordinate_grid(*size, matrix)
        moved = torch.einsum("bij,hwj->bhwi", matrix, _homogeneous(grid))
        return moved[..., :2] / moved[..., 2:]


def _fit(driving: Tensor, source: Tensor) -> Tensor:
    """Weights of the radial basis and of x, y, 1 for every spline: (B, N, P + 3, 2)."""
    bends = _radial(driving[:, :, :, None] - driving[:, :, None])  # (B, N, P, P)
    affine = _homogeneous(driving)  # (B, N, P, 3)
    corner = affine.new_zeros(*affine.shape[:2], 3, 3)
    system = torch.cat(
        [torch.cat([bends, affine], dim=-1), torch.cat([affine.mT, corner], dim=-1)], dim=-2
    )
    system = system + STIFFNESS * torch.eye(system.shape[-1], device=system.device)
    # Not checked: a sampled pose that is singular renders badly instead of stopping its batch.
    weights, _ = torch.linalg.solve_ex(system, F.pad(source, (0, 0, 0, 3)))
    return weights


def _radial(offsets: Tensor) -> Tensor:
    """The thin-plate kernel r^2 log r^2 of offsets (..., 2)."""
    squares = (offsets**2).sum(-1)
    return squares * torch.log(squares + 1e-9)


def _homogeneous(points: Tensor) -> Tensor:
    """Append a one: (..., 2) -> (..., 3)."""
    return F.pad(points, (0, 1), value=1.0)
