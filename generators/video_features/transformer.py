"""The video transformer of V-JEPA and the attentive probe on top of it."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from flawcast.configs.errors import ShapeError
from flawcast.generators.video_features.positions import position_table

TUBELET = 2  # frames per token
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's


@dataclass(frozen=True)
class VJEPASizes:
    """Sizes of an encoder; the defaults are those of the published ViT-H/16.

    Args:
        width: Length of a token.
        depth: Blocks.
        heads: Attention heads, of the encoder and of the probe.
        patch: Side of a token in pixels.
        frames: Number of frames of the training clips.
        side: Height and width of the training frames, in pixels.
        uniform_power: Whether the position table gives time, height and width equal shares.
        classes: That the probe was trained to tell apart.
    """

    width: int = 1280
    depth: int = 32
    heads: int = 16
    patch: int = 16
    frames: int = 16
    side: int = 224
    uniform_power: bool = True
    classes: int = 174

    @property
    def grid(self) -> tuple[int, int, int]:
        """Tokens in time, height and width."""
        return self.frames // TUBELET, self.side // self.patch, self.side // self.patch


class VJEPAEncoder(nn.Module):
    """Video transformer over tubelets of 2 frames; positions come from a fixed table.

    Args:
        sizes: Sizes of the model.

    Reference:
        Bardes et al., 2024, https://arxiv.org/abs/2404.08471
    """

    def __init__(self, sizes: VJEPASizes) -> None:
        super().__init__()
        self.sizes = sizes
        table = position_table(sizes.width, sizes.grid, sizes.uniform_power)
        self.pos_embed = nn.Parameter(table, requires_grad=False)
        self.patch_embed = _PatchEmbedding(sizes)
        self.blocks = nn.ModuleList(_Block(sizes) for _ in range(sizes.depth))
        self.norm = nn.LayerNorm(sizes.width, eps=1e-6)

    def forward(self, clips: Tensor) -> Tensor:
        """Tokens of clips.

        Args:
            clips: RGB in [0, 1], (B, T, 3, H, W); T even, H and W multiples of the patch.

        Returns:
            (B, tokens, width).

        Raises:
            ShapeError: If the clips do not divide into tokens.
        """
        _, frames, colours, height, width = clips.shape
        if (
            colours != 3
            or frames % TUBELET
            or height % self.sizes.patch
            or width % self.sizes.patch
        ):
            raise ShapeError(
                f"clips: expected (B, T, 3, H, W) with T a multiple of {TUBELET}, H and W of "
                f"{self.sizes.patch}, got {tuple(clips.shape)}; resize them first"
            )
        mean, deviation = (clips.new_tensor(value)[:, None, None] for value in (MEAN, DEVIATION))
        tokens = self.patch_embed((clips - mean) / deviation)  # (B, width, t, h, w)
        tokens = tokens + self._positions(tokens.shape[2:])
        tokens = tokens.flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        normal: Tensor = self.norm(tokens)
        return normal

    def _positions(self, grid: Iterable[int]) -> Tensor:
        """The table, stretched to a grid of another size: (1, width, t, h, w)."""
        wanted = tuple(grid)
        own = self.sizes.grid
        table = self.pos_embed.unflatten(1, own).permute(0, 4, 1, 2, 3)
        if wanted == own:
            return table
        factors = [new / old for new, old in zip(wanted, own, strict=True)]
        return functional.interpolate(table, scale_factor=factors, mode="trilinear")


class AttentiveProbe(nn.Module):
    """One learned query that attends to all tokens; its output is the feature.

    Args:
        sizes: Sizes of the encoder.
        projected: Whether the output projection follows the attention, as in the package that
            publishes JEDi; the research repository's head holds its weights and leaves it out.
    """

    def __init__(self, sizes: VJEPASizes, *, projected: bool = True) -> None:
        super().__init__()
        self.pooler = _Pooler(sizes, projected)
        self.linear = nn.Linear(sizes.width, sizes.classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Features, before the classes: (B, tokens, width) -> (B, width)."""
        pooled: Tensor = self.pooler(tokens)
        return pooled

    def classify(self, tokens: Tensor) -> Tensor:
        """Class scores, for which the probe was trained: (B, tokens, width) -> (B, classes)."""
        scores: Tensor = self.linear(self(tokens))
        return scores


class _PatchEmbedding(nn.Module):
    """Tubelets as tokens."""

    def __init__(self, sizes: VJEPASizes) -> None:
        super().__init__()
        size = (TUBELET, sizes.patch, sizes.patch)
        self.proj = nn.Conv3d(3, sizes.width, size, size)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> (B, width, t, h, w)."""
        tokens: Tensor = self.proj(clips.transpose(1, 2))
        return tokens


class _MLP(nn.Module):
    """Two layers with a hidden width of four times the token's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, tokens, width) -> the same."""
        inner: Tensor = self.fc2(functional.gelu(self.fc1(tokens)))
        return inner


class _SelfAttention(nn.Module):
    """Every token attends to all."""

    def __init__(self, sizes: VJEPASizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.qkv = nn.Linear(sizes.width, 3 * sizes.width)
        self.proj = nn.Linear(sizes.width, sizes.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, tokens, width) -> the same."""
        query, key, value = _split_heads(self.qkv(tokens), 3, self.heads)
        gathered = functional.scaled_dot_product_attention(query, key, value)
        projected: Tensor = self.proj(gathered.transpose(1, 2).flatten(2))
        return projected


class _Block(nn.Module):
    """A transformer block, normalised before each part."""

    def __init__(self, sizes: VJEPASizes) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(sizes.width, eps=1e-6)
        self.attn = _SelfAttention(sizes)
        self.norm2 = nn.LayerNorm(sizes.width, eps=1e-6)
        self.mlp = _MLP(sizes.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, tokens, width) -> the same."""
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class _CrossAttention(nn.Module):
    """Queries attend to tokens."""

    def __init__(self, sizes: VJEPASizes, projected: bool) -> None:
        super().__init__()
        self.heads, self.projected = sizes.heads, projected
        self.q = nn.Linear(sizes.width, sizes.width)
        self.kv = nn.Linear(sizes.width, 2 * sizes.width)
        self.proj = nn.Linear(sizes.width, sizes.width)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """(B, queries, width), (B, tokens, width) -> (B, queries, width)."""
        (query,) = _split_heads(self.q(queries), 1, self.heads)
        key, value = _split_heads(self.kv(tokens), 2, self.heads)
        gathered = functional.scaled_dot_product_attention(query, key, value)
        gathered = gathered.transpose(1, 2).flatten(2)
        return self.proj(gathered) if self.projected else gathered


class _CrossBlock(nn.Module):
    """Cross-attention and an MLP, each added to the query."""

    def __init__(self, sizes: VJEPASizes, projected: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(sizes.width)
        self.xattn = _CrossAttention(sizes, projected)
        self.norm2 = nn.LayerNorm(sizes.width)
        self.mlp = _MLP(sizes.width)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """(B, queries, width), (B, tokens, width) -> (B, queries, width)."""
        queries = queries + self.xattn(queries, self.norm1(tokens))
        return queries + self.mlp(self.norm2(queries))


class _Pooler(nn.Module):
    """Tokens to one vector."""

    def __init__(self, sizes: VJEPASizes, projected: bool) -> None:
        super().__init__()
        self.query_tokens = nn.Parameter(torch.zeros(1, 1, sizes.width))
        self.cross_attention_block = _CrossBlock(sizes, projected)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, tokens, width) -> (B, width)."""
        queries = self.query_tokens.expand(len(tokens), -1, -1)
        pooled: Tensor = self.cross_attention_block(queries, tokens)
        return pooled[:, 0]


def _split_heads(mixed: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """(B, tokens, parts * width) -> `parts` of (B, heads, tokens, width / heads)."""
    return mixed.unflatten(2, (parts, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
