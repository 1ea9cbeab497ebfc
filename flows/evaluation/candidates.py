"""The forecasters that are compared, and their labels in tables."""

from collections.abc import Iterable

from flawcast.configs.errors import SettingsError
from flawcast.generators.forecasters.base import FORECASTERS, with_preset
from flawcast.generators.forecasters.cross_validation import Candidate

BASELINE = "hold"  # errors are shown as shares of its errors
SPREAD_BASELINE = "dressed_ridge"  # what samples are compared with: it samples, and trains nothing
MEAN = ", mean feedback"


def candidates(text: str, mean_feedback: bool = True) -> list[Candidate]:
    """Read "all", or comma-separated names with optional presets ("vrnn:paper").

    The baselines (`hold`, `dressed_hold`, `dressed_ridge`) always come first, named or not.

    Args:
        text: The option's text.
        mean_feedback: Whether VRNN and GRU-NF count as two candidates each: one is fed its own
            samples, the other the mean of all samples.

    Raises:
        SettingsError: If a name or preset is unknown.

    Example:
        >>> [one.label for one in candidates("gru_nf,vrnn:paper", mean_feedback=False)]
        ['hold', 'dressed_hold', 'dressed_ridge', 'gru_nf', 'vrnn (paper)']
    """
    everything = in_table_order()
    names = everything if text.strip() == "all" else [part.strip() for part in text.split(",")]
    first = baselines()
    compared = [Candidate(name, name, {}) for name in first]
    for name in dict.fromkeys(name for name in names if name not in first):
        kind, _, preset = name.partition(":")
        if not kind:
            raise SettingsError(
                f"forecasters: expected all, or names with commas between them, got {text!r}; "
                f"known are {', '.join((*first, *everything))}"
            )
        config = {"preset": preset} if preset else {}
        with_preset(FORECASTERS[kind], config)
        label = f"{kind} ({preset})" if preset else kind
        compared.append(Candidate(label, kind, config))
        if mean_feedback and FORECASTERS[kind].compared_with_mean_feedback:
            compared.append(Candidate(label + MEAN, kind, {**config, "feedback": "mean"}))
    return compared


def parts_of(candidate: Candidate) -> list[Candidate]:
    """The forecasters that a mixture is made of; none for others."""
    kind = FORECASTERS[candidate.name]
    config = kind.Config.model_validate(with_preset(kind, dict(candidate.config)))
    return [Candidate(name, name, settings) for name, settings in config.parts_by_name().items()]


def with_samples_compared() -> tuple[str, ...]:
    """Names of the forecasters whose samples are rendered where nothing else is asked for."""
    everything = (*baselines(), *in_table_order())
    return tuple(name for name in everything if FORECASTERS[name].samples_compared)


def baselines() -> list[str]:
    """Names of the forecasters that every table shows, `hold` first."""
    return _sorted(name for name in FORECASTERS.names() if FORECASTERS[name].baseline)


def in_table_order() -> list[str]:
    """Names of all forecasters except the baselines, the simplest first."""
    return _sorted(name for name in FORECASTERS.names() if not FORECASTERS[name].baseline)


def _sorted(names: Iterable[str]) -> list[str]:
    """Names in the order of tables."""
    return sorted(names, key=lambda name: (FORECASTERS[name].table_place, name))
