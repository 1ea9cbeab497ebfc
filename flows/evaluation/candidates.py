"""The forecasters that are compared, and their labels in tables."""

from flawcast.configs.errors import SettingsError
from flawcast.generators.forecasters.base import FORECASTERS, with_preset
from flawcast.generators.forecasters.cross_validation import Candidate

BASELINE = "hold"
MEAN = ", mean feedback"


def candidates(text: str, mean_feedback: bool = True) -> list[Candidate]:
    """Read "all", or comma-separated names with optional presets ("vrnn:paper").

    `hold` always comes first, named or not.

    Args:
        text: The option's text.
        mean_feedback: Whether VRNN and GRU-NF count as two candidates each: one is fed its own
            samples, the other the mean of all samples.

    Raises:
        SettingsError: If a name or preset is unknown.

    Example:
        >>> [one.label for one in candidates("gru_nf,vrnn:paper", mean_feedback=False)]
        ['hold', 'gru_nf', 'vrnn (paper)']
    """
    everything = in_table_order()
    names = everything if text.strip() == "all" else [part.strip() for part in text.split(",")]
    compared = [Candidate(BASELINE, BASELINE, {})]
    for name in dict.fromkeys(name for name in names if name != BASELINE):
        kind, _, preset = name.partition(":")
        if not kind:
            raise SettingsError(
                f"forecasters: expected all, or names with commas between them, got {text!r}; "
                f"known are {', '.join((BASELINE, *everything))}"
            )
        config = {"preset": preset} if preset else {}
        with_preset(FORECASTERS[kind], config)
        label = f"{kind} ({preset})" if preset else kind
        compared.append(Candidate(label, kind, config))
        if mean_feedback and FORECASTERS[kind].compared_with_mean_feedback:
            compared.append(Candidate(label + MEAN, kind, {**config, "feedback": "mean"}))
    return compared


def with_samples_compared() -> tuple[str, ...]:
    """Names of the forecasters whose samples are rendered where nothing else is asked for."""
    return tuple(name for name in in_table_order() if FORECASTERS[name].samples_compared)


def in_table_order() -> list[str]:
    """Names of all forecasters except the baseline, the simplest first."""
    others = [name for name in FORECASTERS.names() if not FORECASTERS[name].baseline]
    return sorted(others, key=lambda name: (FORECASTERS[name].table_place, name))
