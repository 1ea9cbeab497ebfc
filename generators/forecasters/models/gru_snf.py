"""GRU-SNF: GRU-NF whose samples are refined by Metropolis steps between the flow's blocks."""

from math import log

import torch
from pydantic import Field
from torch import Tensor

from flawcast.generators.forecasters.base import FORECASTERS
from flawcast.generators.forecasters.models.gru_nf import GRUNFConfig, GRUNFForecaster


class GRUSNFConfig(GRUNFConfig):
    """Settings of GRU-NF, and of the refinement.

    Args:
        metropolis_steps: Number of Metropolis steps after every block.
        metropolis_size: Standard deviation of a proposal, in units of the base noise.
    """

    metropolis_steps: int = Field(2, ge=0)
    metropolis_size: float = Field(0.05, gt=0)


@FORECASTERS.register("gru_snf")
class GRUSNFForecaster(GRUNFForecaster):
    """GRU-NF with a random walk after every block of the inverse flow.

    The walk's energy changes from that of the base density (first block) to that of the flow's
    data density (last block), so the walk moves samples to where the model's density is high.
    It needs no training: the weights of a fitted GRU-NF load unchanged. Each step is accepted or
    rejected for the whole vector, which leaves the energy's density invariant. Without steps the
    forecaster is GRU-NF.

    Reference:
        Wu, Köhler and Noé, 2020, https://arxiv.org/abs/2002.06707, section 4
    """

    Config = GRUSNFConfig
    table_place = 7
    weights_of = "gru_nf"
    compared_with_mean_feedback = False

    def __init__(self, features: int, config: GRUSNFConfig) -> None:
        super().__init__(features, config)
        self.config: GRUSNFConfig = config

    @property
    def noise_size(self) -> int:
        """Length of the base vector, plus a proposal and one deciding value per Metropolis step."""
        steps = self.config.blocks * self.config.metropolis_steps
        return self.features + steps * (self.features + 1)

    def draw(self, state: Tensor, noise: Tensor, temperature: float) -> tuple[Tensor, None]:
        """Invert the flow block by block with Metropolis steps between: (B, noise_size)."""
        condition = self.condition(state[-1])
        values, walk = noise.split([self.features, self.noise_size - self.features], dim=-1)
        values = temperature * values
        shape = (len(noise), self.config.blocks, self.config.metropolis_steps, self.features + 1)
        walks = walk.reshape(shape)
        for done, block in enumerate(reversed(range(self.config.blocks))):
            values = self.flow.inverse_block(block, values, condition)
            last = self.config.blocks - 1
            share = done / last if last else 1.0
            for step in walks[:, done].unbind(dim=1):
                values = self._metropolis(values, condition, step, share, temperature)
        return self.placed(values, condition), None

    def _metropolis(
        self, values: Tensor, condition: Tensor, noise: Tensor, share: float, temperature: float
    ) -> Tensor:
        """One step of the walk: (B, D) -> (B, D)."""
        proposal = values + self.config.metropolis_size * temperature * noise[:, :-1]
        change = self._energy(proposal, condition, share) - self._energy(values, condition, share)
        chance = torch.special.log_ndtr(noise[:, -1])  # log of a uniform random value
        accepted = chance < -change / temperature**2
        return torch.where(accepted[:, None], proposal, values)

    def _energy(self, values: Tensor, condition: Tensor, share: float) -> Tensor:
        """Energy between the base density's (share 0) and the data density's (1): (B,)."""
        base = 0.5 * (values**2 + log(2 * torch.pi)).sum(-1)
        if share == 0:
            return base
        return (1 - share) * base - share * self.flow.log_prob(values, condition)
