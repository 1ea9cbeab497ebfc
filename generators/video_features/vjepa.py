"""V-JEPA with published weights: turns videos into the features that JEDi compares."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from flawcast.configs.errors import ModelError, one_line
from flawcast.configs.feature_names import JEDI_FEATURES
from flawcast.generators.video_features.transformer import AttentiveProbe, VJEPAEncoder, VJEPASizes
from flawcast.generators.weights import load_into

PUBLISHED = VJEPASizes()
PREFIXES = ("module.", "backbone.")


class VJEPA(nn.Module):
    """Encoder and probe with published weights: turns videos into JEDi's features.

    Args:
        encoder: Path of the encoder's checkpoint.
        probe: Path of the probe's checkpoint.
        sizes: Sizes of encoder and probe.
        projected: See `AttentiveProbe`.

    Raises:
        ModelError: If a file is absent, damaged, or of another layout or size.
    """

    def __init__(
        self,
        encoder: Path,
        probe: Path,
        sizes: VJEPASizes = PUBLISHED,
        *,
        projected: bool = True,
    ) -> None:
        super().__init__()
        self.projected = projected
        with torch.device("meta"):  # 632 M parameters need no initial values
            self.encoder = VJEPAEncoder(sizes)
            self.probe = AttentiveProbe(sizes, projected=projected)
        for part, path, keys in (
            ("encoder", encoder, ("target_encoder", "encoder")),
            ("probe", probe, ("classifier",)),
        ):
            state = _published_state(path, keys)
            module: nn.Module = getattr(self, part)
            module.to_empty(device="cpu")
            load_into(module, state, f"V-JEPA {part} {path}")
        self.eval().requires_grad_(False)

    @property
    def described_as(self) -> str:
        """Description of the features for tables; only the published model gives JEDi's."""
        if self.encoder.sizes == PUBLISHED and self.projected:
            return JEDI_FEATURES
        sizes = self.encoder.sizes
        pooling = "projected" if self.projected else "unprojected"
        return f"v-jepa of width {sizes.width} and depth {sizes.depth}, {pooling} probe"

    @torch.no_grad()
    def forward(self, clips: Tensor) -> Tensor:
        """Features of clips, which are resized in space and time to the encoder's training size.

        Args:
            clips: RGB in [0, 1], (B, T, 3, H, W).

        Returns:
            (B, width).
        """
        sizes = self.encoder.sizes
        rows = torch.linspace(0, clips.shape[1] - 1, sizes.frames).round().long()
        frames = clips[:, rows]
        small = functional.interpolate(
            frames.flatten(0, 1),
            size=(sizes.side, sizes.side),
            mode="bilinear",
            antialias=True,
            align_corners=False,
        )
        features: Tensor = self.probe(self.encoder(small.unflatten(0, frames.shape[:2])))
        return features


def _published_state(path: Path, keys: tuple[str, ...]) -> dict[str, Tensor]:
    """Read the first part that a checkpoint has, and remove the prefixes of the training."""
    wanted = f"V-JEPA: expected a checkpoint with {' or '.join(keys)} in {path}"
    if not path.is_file():
        raise ModelError(f"{wanted}, found no such file; download it from its publisher")
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # errors of torch.load for damaged files share no other base class
        raise ModelError(
            f"{wanted}, cannot read it: {one_line(error)}; download it again"
        ) from None
    part = next((content[key] for key in keys if key in content), None) if content else None
    if not isinstance(part, dict):
        raise ModelError(f"{wanted}, found another layout; use the published files as they are")
    state: dict[str, Tensor] = {}
    for key, value in part.items():
        for prefix in PREFIXES:
            key = key.removeprefix(prefix)
        state[key] = value
    return state
