"""Which forecasters are compared, and under what names tables show them."""

from flawcast.configs.errors import SettingsError
from flawcast.generators.forecasters.base import FORECASTERS, with_preset
from flawcast.generators.forecasters.cross_validation import Candidate

BASELINE = "hold"
ALL = ("linear", "gru", "vae", "nf", "vrnn", "gru_nf", "gru_snf")
FED_BY_MEANS = ("vrnn", "gru_nf")  # compared with the feedback of the authors' code, too
MEAN = ", mean feedback"


def candidates(text: str, mean_feedback: bool = True) -> list[Candidate]:
    """Read "all", or names with commas between them, each perhaps with a preset ("vrnn:paper").

    `hold` comes first whether it is named or not.

    Args:
        text: As on the command line.
        mean_feedback: Whether VRNN and GRU-NF stand for two: fed by their own samples, and fed by
            the mean of all.

    Raises:
        SettingsError: If a name or preset is unknown.

    Example:
        >>> [one.label for one in candidates("gru_nf,vrnn:paper", mean_feedback=False)]
        ['hold', 'gru_nf', 'vrnn (paper)']
    """
    names = ALL if text.strip() == "all" else tuple(part.strip() for part in text.split(","))
    found = [Candidate(BASELINE, BASELINE, {})]
    for name in dict.fromkeys(name for name in names if name != BASELINE):
        kind, _, preset = name.partition(":")
        if not kind:
            raise SettingsError(
                f"forecasters: expected all, or names with commas between them, got {text!r}; "
                f"known are {', '.join((BASELINE, *ALL))}"
            )
        config = {"preset": preset} if preset else {}
        with_preset(FORECASTERS[kind], config)
        label = f"{kind} ({preset})" if preset else kind
        found.append(Candidate(label, kind, config))
        if mean_feedback and kind in FED_BY_MEANS:
            found.append(Candidate(label + MEAN, kind, {**config, "feedback": "mean"}))
    return found
