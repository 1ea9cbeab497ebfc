"""What was asked of `augment`, what is in the store, and what was left out, with the reasons."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flawcast.configs.errors import StoreError
from flawcast.configs.set_settings import SetSettings
from flawcast.flows.augment.plan import RECORD
from flawcast.storage import SampleStore

MOTIONS = ("real", "sampled")


@dataclass(frozen=True)
class Manifest:
    """Counts of videos; what was requested was made or rejected.

    Args:
        requested: By label.
        made: By label, and by motion: "real" or "sampled".
        rejected: By reason.
        sources: Different clips that lent their looks, by label.
        held_out: Clips that are not for training and were not used, by split.
        misses: Of a round by a detector's misses: its number in the store ("round"), the hash of
            the scores, how much is missed of each label, and the videos that each gets for it.
    """

    requested: Mapping[str, int]
    made: Mapping[str, Mapping[str, int]]
    rejected: Mapping[str, int]
    sources: Mapping[str, int]
    held_out: Mapping[str, int]
    misses: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def read_manifest(store: SampleStore, run_id: str) -> Manifest:
    """The manifest of a run of `augment`, from the store's records.

    Args:
        store: The store.
        run_id: The run.

    Raises:
        StoreError: If the store has no such run.
    """
    records = _records(store)
    record = records.get(run_id)
    if record is None:
        raise StoreError(
            f"run: expected one of `flawcast augment`, {store.url} has none called {run_id}; see "
            "`flawcast runs`"
        )
    made: dict[str, Counter[str]] = {label: Counter() for label in record["labels"]}
    lent: dict[str, set[str]] = {label: set() for label in record["labels"]}
    missing = 0
    indices: dict[str, set[int]] = defaultdict(set)
    samples = store.query(rows="samples").select(["set_id", "index"]).to_pylist()
    for sample in samples:
        indices[sample["set_id"]].add(sample["index"])
    for label, set_ids in record["sets"].items():
        share = record["requested"][label] // max(1, len(set_ids))
        for set_id in set_ids:
            if not store.has(set_id):
                missing += share
                continue
            row = store.row(set_id)
            generate = SetSettings.parse(row["settings"]).generate
            driving = None if generate is None else generate.driving
            real = 0 if driving is None or not driving.real else int(0 in indices[set_id])
            made[label].update({"real": real, "sampled": row["keep"] - real})
            lent[label].add(row["source_clip_id"])
            missing += share - row["keep"]  # dropped, as they do not show their defect
    return Manifest(
        requested={label: record["requested"][label] for label in record["labels"]},
        made={label: {name: counts[name] for name in MOTIONS} for label, counts in made.items()},
        rejected=_reasons(store, run_id, record, missing),
        sources={label: len(clips) for label, clips in lent.items()},
        held_out=record["held_out"],
        misses=_round(records, run_id),
    )


def _records(store: SampleStore) -> dict[str, dict[str, Any]]:
    """What runs of `augment` say, by their ids, the first one first."""
    rows = sorted(store.ledger.runs().to_pylist(), key=lambda row: str(row["started"]))
    said = {row["run_id"]: json.loads(row["settings"]).get(RECORD) for row in rows}
    return {run_id: record for run_id, record in said.items() if record is not None}


def _round(records: Mapping[str, Mapping[str, Any]], run_id: str) -> dict[str, Any] | None:
    """What a run drew by misses, with its number among the rounds of the store."""
    said = records[run_id].get("misses")
    if said is None:
        return None
    rounds = [record["misses"]["scores"] for record in records.values() if "misses" in record]
    return {"round": list(dict.fromkeys(rounds)).index(said["scores"]) + 1, **said}


def _reasons(
    store: SampleStore, run_id: str, record: Mapping[str, Any], missing: int
) -> dict[str, int]:
    """Why videos are missing: as the run's rejected sets say, whose names hold a window."""
    if not missing:
        return {}
    sets = sum(len(set_ids) for set_ids in record["sets"].values())
    share = sum(record["requested"].values()) // max(1, sets)
    counts = Counter(
        row["reason"]
        for row in store.ledger.rejects().to_pylist()
        if row["run_id"] == run_id and " @ " in row["clip"]
    )
    reasons = {reason: share * count for reason, count in sorted(counts.items())}
    rest = missing - sum(reasons.values())
    return {**reasons, **({"other": rest} if rest > 0 else {})}


def print_manifest(manifest: Manifest, console: Console) -> None:
    """Show the manifest as a table, and a line on clips that are not for training."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("label")
    for heading in ("requested", "made", "real motion", "sampled motion", "sources"):
        table.add_column(heading, justify="right")
    for label, wanted in manifest.requested.items():
        made = manifest.made[label]
        figures = (wanted, sum(made.values()), made["real"], made["sampled"])
        table.add_row(escape(label), *map(str, figures), str(manifest.sources[label]))
    console.print(table)
    for reason, count in manifest.rejected.items():
        console.print(f"rejected: {count} videos: {reason}", highlight=False, markup=False)
    if manifest.misses is not None:
        missed = ", ".join(
            f"{name} {share:.2f}" for name, share in manifest.misses["missed"].items()
        )
        console.print(
            f"round {manifest.misses['round']} by what a detector misses: {missed}",
            highlight=False,
            markup=False,
        )
    if manifest.held_out:
        said = ", ".join(f"{count} of {name}" for name, count in manifest.held_out.items())
        console.print(
            f"not used: {said}; samples come from clips of the split train alone",
            highlight=False,
            markup=False,
        )
