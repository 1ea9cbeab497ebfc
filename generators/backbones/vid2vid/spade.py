"""SPADE: convolution blocks whose normalised features are scaled and shifted by a map."""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from flawcast.generators.backbones.vid2vid.settings import CommonParams, GeneratorParams

SLOPE = 0.2  # of leaky ReLUs


class SPADE(nn.Module):
    """Instance norm, then scale and shift that a map decides at every place.

    Reference:
        Park et al., 2019, https://arxiv.org/abs/1903.07291, section 3
    """

    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        hidden = labels // 2
        self.mlp_shared = nn.Sequential(nn.Conv2d(labels, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(hidden, width, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, width, 3, padding=1)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """(B, C, H, W) and a map (B, labels, h, w) of any resolution -> (B, C, H, W)."""
        shared = self.mlp_shared(F.interpolate(labels, features.shape[2:]))
        scale = 1 + self.mlp_gamma(shared)
        return F.instance_norm(features) * scale + self.mlp_beta(shared)


class SPADEResnetBlock(nn.Module):
    """Two SPADE-normalised convolutions around a skip, learned where the width changes."""

    def __init__(self, inputs: int, outputs: int, labels: int) -> None:
        super().__init__()
        middle = min(inputs, outputs)
        self.conv_0 = _spectral(nn.Conv2d(inputs, middle, 3, padding=1))
        self.conv_1 = _spectral(nn.Conv2d(middle, outputs, 3, padding=1))
        self.norm_0 = SPADE(inputs, labels)
        self.norm_1 = SPADE(middle, labels)
        self.learned_shortcut = inputs != outputs
        if self.learned_shortcut:
            self.conv_s = _spectral(nn.Conv2d(inputs, outputs, 1, bias=False))
            self.norm_s = SPADE(inputs, labels)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """(B, C, H, W) and a map -> (B, C', H, W)."""
        out = self.conv_0(F.leaky_relu(self.norm_0(features, labels), SLOPE))
        out = self.conv_1(F.leaky_relu(self.norm_1(out, labels), SLOPE))
        if self.learned_shortcut:
            features = self.conv_s(self.norm_s(features, labels))
        return out + features


class SPADEDecoder(nn.Module):
    """Middle blocks at the features' resolution, then one block after every doubling.

    The original's widths are fixed; these follow from the generator's sizes and equal them at the
    published ones (6 middle blocks of 512 channels, then 256 and 64).
    """

    def __init__(self, common: CommonParams, params: GeneratorParams) -> None:
        super().__init__()
        self.middle, self.ups = params.num_resblocks, params.num_down_blocks
        labels = params.block_expansion * 2**self.ups
        self.fc = nn.Conv2d(labels, 2 * labels, 3, padding=1)
        for index in range(self.middle):
            self.add_module(f"G_middle_{index}", SPADEResnetBlock(2 * labels, 2 * labels, labels))
        widths = [2 * labels // 2**level for level in range(self.ups)] + [params.block_expansion]
        for index in range(self.ups):
            self.add_module(
                f"up_{index}", SPADEResnetBlock(widths[index], widths[index + 1], labels)
            )
        self.conv_img = nn.Conv2d(params.block_expansion, common.image_channel, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> logits of pixels (B, 3, H, W)."""
        out = self.fc(features)
        for index in range(self.middle):
            out = self.get_submodule(f"G_middle_{index}")(out, features)
        for index in range(self.ups):
            out = F.interpolate(out, scale_factor=2.0)
            out = self.get_submodule(f"up_{index}")(out, features)
        logits: Tensor = self.conv_img(F.leaky_relu(out, SLOPE))
        return logits


def _spectral(layer: nn.Conv2d) -> nn.Conv2d:
    """Spectral norm with the published keys: weight_orig, weight_u, weight_v."""
    return spectral_norm(layer)
