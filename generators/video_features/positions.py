"""Sine-cosine tables of positions in time, height and width."""

from math import ceil

import torch
from torch import Tensor


def position_table(width: int, grid: tuple[int, int, int], uniform_power: bool) -> Tensor:
    """One vector for every token of a video.

    Args:
        width: Length of a vector.
        grid: Tokens in time, height and width.
        uniform_power: Whether the three axes get equal shares of the vector; else time gets half.

    Returns:
        (1, tokens, width) in float32, time outermost.
    """
    third, half = 2 * ceil(width / 6), width // 2
    shares = (third, third, third) if uniform_power else (half, half // 2, half // 2)
    places = torch.meshgrid(
        *(torch.arange(size, dtype=torch.float64) for size in grid), indexing="ij"
    )
    parts = [_waves(place.flatten(), share) for place, share in zip(places, shares, strict=True)]
    return torch.cat(parts, dim=1)[None, :, :width].float()


def _waves(places: Tensor, width: int) -> Tensor:
    """Sines, then cosines, of falling frequencies: (tokens,) -> (tokens, width)."""
    half = width // 2
    rates = 10_000 ** (-torch.arange(half, dtype=torch.float64) / (width / 2))
    angles = places[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
