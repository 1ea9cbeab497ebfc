"""Coordinates in [-1, 1], Gaussians around keypoints, and warps: the geometry of motion models."""

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor


def in_single(like: Tensor) -> torch.autocast:
    """Single precision for matrix products of positions, whatever autocast says for the rest.

    In half precision a position is a part of 256 of the frame off.
    """
    return torch.autocast(like.device.type, enabled=False)


def coordinate_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Positions (x, y) of all pixels, corners at -1 and 1: (H, W, 2), in the type of `like`."""
    xs = torch.linspace(-1, 1, width, dtype=like.dtype, device=like.device)
    ys = torch.linspace(-1, 1, height, dtype=like.dtype, device=like.device)
    return torch.stack(torch.meshgrid(xs, ys, indexing="xy"), dim=-1)


def gaussian_maps(positions: Tensor, size: tuple[int, int], variance: float) -> Tensor:
    """A Gaussian bump around every keypoint: (B, K, 2) -> (B, K, H, W)."""
    grid = coordinate_grid(*size, positions)
    offsets = grid - positions[:, :, None, None]
    return torch.exp(-0.5 * (offsets**2).sum(-1) / variance)


def inverse_2x2(matrices: Tensor) -> Tensor:
    """Inverse of 2x2 matrices (..., 2, 2), finite for singular ones too.

    A sampled Jacobian may come close to singular; the determinant is held at 1e-6 or more from zero
    so that such a sample renders badly instead of raising in the middle of a batch.
    """
    a, b, c, d = matrices.flatten(-2).unbind(-1)
    determinant = a * d - b * c
    sign = torch.where(determinant < 0, -1.0, 1.0).to(determinant.dtype)
    determinant = sign * determinant.abs().clamp_min(1e-6)
    adjugate = torch.stack([d, -b, -c, a], dim=-1).unflatten(-1, (2, 2))
    return adjugate / determinant[..., None, None]


def warp(image: Tensor, deformation: Tensor, align_corners: bool = False) -> Tensor:
    """Sample an image at the positions of a backward flow.

    Args:
        image: (B, C, H, W).
        deformation: Where each output pixel comes from, [-1, 1], (B, h, w, 2); resized to H, W.
        align_corners: Whether -1 and 1 are the centres of the outer pixels, not their outer edges.

    Returns:
        The warped image (B, C, H, W); zero outside the image.
    """
    if deformation.shape[1:3] != image.shape[2:]:
        maps = deformation.permute(0, 3, 1, 2)
        deformation = resize_maps(maps, image, align_corners).permute(0, 2, 3, 1)
    return F.grid_sample(image, deformation, align_corners=align_corners)


def resize_maps(maps: Tensor, like: Tensor, align_corners: bool = False) -> Tensor:
    """Bilinear resize of (B, C, h, w) to the resolution of `like` (B, ., H, W)."""
    if maps.shape[2:] == like.shape[2:]:
        return maps
    return F.interpolate(maps, size=like.shape[2:], mode="bilinear", align_corners=align_corners)


def object_size(positions: Tensor) -> float:
    """Square root of the area that keypoints (K, 2) span: the length that an object's size is."""
    points = positions.detach().cpu().float().contiguous().numpy()
    return float(cv2.contourArea(cv2.convexHull(points)) ** 0.5)
