"""The label of good parts: a wrong one would make every good video a defect."""

from collections.abc import Iterable

from flawcast.configs.errors import SettingsError

GOOD = {"normal", "good", "ok", "okay", "fine", "pass", "passed", "intact", "negative", "no_defect"}
GOOD |= {"defect_free", "non_defective", "normals", "regular", "healthy", "io", "i.o."}


def is_good(label: str) -> bool:
    """Whether a label is one of those that people give to parts without a defect.

    Example:
        >>> is_good("Good"), is_good("crack")
        (True, False)
    """
    return _plain(label) in GOOD


def check_normal(normal: str, labels: Iterable[str], is_given: bool = True) -> None:
    """Refuse a label of good videos that no video has.

    Args:
        normal: The label.
        labels: Those that there are.
        is_given: Whether the user named it. One that nobody named is refused only if another label
            looks like that of good videos: a store may hold defects alone.

    Raises:
        SettingsError: If no video has it; the message names the labels that there are.
    """
    there = sorted(set(labels))
    if normal in there:
        return
    good = [label for label in there if is_good(label)]
    if is_given or good:
        hint = good[0] if good else "the right one"
        raise SettingsError(
            f"normal: expected one of the labels {', '.join(there)}, got {normal!r}, so all would "
            f"be defects; name {hint} with --normal"
        )


def _plain(label: str) -> str:
    """A label without what people write differently."""
    return label.strip().casefold().replace("-", "_").replace(" ", "_")
