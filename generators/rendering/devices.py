"""Choice of the device to compute on."""

import torch

from flawcast.configs.errors import SettingsError, one_line


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU if there is one, else the CPU.

    Raises:
        SettingsError: If PyTorch has no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(
            f"device: expected auto, cpu or a GPU of this machine, got {name!r}: {one_line(error)}"
        ) from None
    return device
