"""A file with the keys and shapes of Hopenet's, which is certain of one head pose."""

from pathlib import Path

import torch


def write_hopenet(path: Path) -> Path:
    """Write such a file, as old as Hopenet's: without batch counters."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return 0.05 * torch.randn(*shape, generator=generator)

    state: dict[str, torch.Tensor] = {}

    def add_norm(name: str, width: int) -> None:
        state[f"{name}.weight"] = 1 + draw(width)
        state[f"{name}.bias"] = draw(width)
        state[f"{name}.running_mean"] = draw(width)
        state[f"{name}.running_var"] = 1 + draw(width).abs()

    state["conv1.weight"] = draw(64, 3, 7, 7)
    add_norm("bn1", 64)
    inputs = 64
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=1):
        for index in range(blocks):
            name = f"layer{stage}.{index}"
            state[f"{name}.conv1.weight"] = draw(width, inputs, 1, 1)
            state[f"{name}.conv2.weight"] = draw(width, width, 3, 3)
            state[f"{name}.conv3.weight"] = draw(4 * width, width, 1, 1)
            for number, size in enumerate((width, width, 4 * width), start=1):
                add_norm(f"{name}.bn{number}", size)
            if index == 0:
                state[f"{name}.downsample.0.weight"] = draw(4 * width, inputs, 1, 1)
                add_norm(f"{name}.downsample.1", 4 * width)
            inputs = 4 * width
    for angle in ("yaw", "pitch", "roll"):
        state[f"fc_{angle}.weight"] = torch.zeros(66, inputs)
        state[f"fc_{angle}.bias"] = torch.zeros(66)
    # Certain of bin 43, 23 and 33: 30, -30 and 0 degrees.
    for angle, place in (("yaw", 43), ("pitch", 23), ("roll", 33)):
        state[f"fc_{angle}.bias"][place] = 100.0
    state["fc_finetune.weight"], state["fc_finetune.bias"] = draw(3, inputs + 3), draw(3)
    torch.save(state, path)
    return path
