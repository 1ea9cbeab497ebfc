"""The gate: which samples a report of `flawcast uplift` says to use, by label."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flawcast.configs.errors import SettingsError
from flawcast.storage.sample_rows import SampleRows

USE, AVOID, UNCLEAR = "use", "do not use", "cannot tell"
KEY = "gate"  # of the report


@dataclass(frozen=True)
class Gate:
    """Verdicts on the samples of each label.

    Args:
        verdicts: "use", "do not use" or "cannot tell", by label.
        normal: The label of good samples, which have no verdict of their own.
        texts: The verdicts in words, by label.
        scored: Ids of the samples that were judged.
    """

    verdicts: Mapping[str, str]
    normal: str
    texts: Mapping[str, str]
    scored: frozenset[str]

    @staticmethod
    def read(path: Path | str) -> "Gate":
        """The gate of a report.

        Args:
            path: The report.json of `flawcast uplift --validation`, or its folder.

        Raises:
            SettingsError: If it is none.
        """
        path = Path(path)
        path = path / "report.json" if path.is_dir() else path
        try:
            report = json.loads(path.read_text())
        except (OSError, ValueError):
            raise SettingsError(
                f"gate: expected the report.json of `flawcast uplift`, {path} is none; name it"
            ) from None
        said: Any = report.get(KEY) if isinstance(report, dict) else None
        try:
            labels = said["labels"]
            verdicts = {str(label): str(found["verdict"]) for label, found in labels.items()}
            texts = {str(label): str(found["text"]) for label, found in labels.items()}
            scored = frozenset(name for found in labels.values() for name in found["samples"])
            gate = Gate(verdicts, str(said["normal"]), texts, scored | set(said["good_samples"]))
        except (TypeError, KeyError, AttributeError):
            raise SettingsError(
                f"gate: expected verdicts in {path}, found none; only `flawcast uplift "
                "--validation` gives them, with an arm that has samples"
            ) from None
        unknown = sorted(set(verdicts.values()) - {USE, AVOID, UNCLEAR})
        if unknown:
            raise SettingsError(f"gate: expected verdicts of {path} that are known, got {unknown}")
        return gate

    @property
    def left_out(self) -> list[str]:
        """Labels whose samples hurt; good samples, too, if there is no other label."""
        hurt = sorted(label for label, verdict in self.verdicts.items() if verdict == AVOID)
        return [*hurt, self.normal] if hurt and len(hurt) == len(self.verdicts) else hurt

    def passed(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows of samples, without those of labels that hurt."""
        hurt = set(self.left_out)
        return [row for row in rows if row["label"] not in hurt]

    def passed_rows(self, rows: SampleRows) -> SampleRows:
        """As `passed`, for many rows."""
        hurt = set(self.left_out)
        return rows.where(~rows.among("label", hurt)) if hurt else rows
