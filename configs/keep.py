"""The one rule of how many samples may be kept."""

from flawcast.configs.errors import SettingsError


def expect_keep(keep: int, samples: int) -> None:
    """Refuse to keep none, or more than were sampled.

    Args:
        keep: How many are to be kept.
        samples: N, how many there are.

    Raises:
        SettingsError: If `keep` is not in [1, N].

    Example:
        >>> expect_keep(keep=20, samples=100)
    """
    if keep < 1:
        raise SettingsError(f"keep: expected at least 1, got {keep}; raise keep")
    if keep > samples:
        raise SettingsError(
            f"keep: expected at most samples = {samples}, got {keep}; "
            "lower keep or draw more samples"
        )
