"""How all networks of the experiment are trained: the same number of steps in every arm."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn


def descend(
    model: nn.Module, loss: Callable[[], Tensor], steps: int, rate: float, decay: float = 1e-2
) -> float:
    """Train with AdamW, the rate falling to 0 along a cosine.

    Args:
        model: Left in eval mode.
        loss: Computes the loss of the next batch.
        steps: How many batches.
        rate: At the start.
        decay: Weight decay.

    Returns:
        The mean loss over the last tenth of the steps.
    """
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=decay, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    losses = []
    for _ in range(steps):
        value = loss()
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
        losses.append(value.item())
    model.eval()
    return float(np.mean(losses[-max(1, steps // 10) :]))
