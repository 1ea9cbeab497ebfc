"""The summary of a run: a table by label and mode, a contact sheet, the clips left out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flawcast.configs.mask_levels import DEFECT
from flawcast.configs.set_settings import SetSettings
from flawcast.configs.spread import spread
from flawcast.flows.generate.defects.ledger import DefectLedger
from flawcast.flows.generate.plan import Plan, SetPlan
from flawcast.flows.pictures.contact_sheet import SheetRow, contact_sheet, spread_futures
from flawcast.flows.pictures.thumbnails import thumbnails
from flawcast.generators.clips import Reject
from flawcast.storage import SampleStore

SHEET_ROWS, SHEET_FUTURES = 24, 5
LARGEST_SHOWN = 256  # pixels: larger frames are shrunk before they are laid out


@dataclass(frozen=True)
class GroupMeans:
    """Means over the sets of one label and mode; errors and APD on the [0, 1] pixel scale."""

    label: str
    mode: str
    sets: int
    mae: float
    hold_mae: float
    ssim: float
    apd: float
    coherence: float | None


@dataclass(frozen=True)
class RunSummary:
    """The results of a run.

    Args:
        run_id: Name of the run.
        store: Where the sets are.
        written: Sets that this run committed.
        present: Sets that the store already had.
        kept: Videos in the written and present sets.
        groups: Means by label and mode, over all of the plan's sets.
        rejects: Clips that were left out.
        seconds: Duration.
        sheet: The contact sheet, if anything was written.
        fresh: Ids of the sets that this run committed.
        page: The report, if one was written.
        defects: What became of requests for defects; None without any.
        forgotten: Ids of sets that were not made because they were forgotten.
    """

    run_id: str
    store: str
    written: int
    present: int
    kept: int
    groups: tuple[GroupMeans, ...]
    rejects: tuple[Reject, ...]
    seconds: float
    sheet: Path | None
    fresh: tuple[str, ...]
    page: Path | None = None
    defects: DefectLedger | None = None
    forgotten: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        values = asdict(self)
        paths = {name: getattr(self, name) for name in ("sheet", "page")}
        if self.defects is None:
            del values["defects"]
        return {**values, **{name: str(path) if path else None for name, path in paths.items()}}


def summarise(
    store: SampleStore, plan: Plan, missing: Sequence[SetPlan], run_id: str, seconds: float
) -> RunSummary:
    """Summarise the plan's sets from their rows in the store."""
    rows = [store.row(item.set_id) for item in plan.sets if store.has(item.set_id)]
    fresh = tuple(item.set_id for item in missing if store.has(item.set_id))
    return RunSummary(
        run_id=run_id,
        store=store.url,
        written=len(fresh),
        present=len(rows) - len(fresh),
        kept=sum(row["keep"] for row in rows),
        groups=tuple(groups_of(rows)),
        rejects=plan.rejects,
        seconds=seconds,
        sheet=None,
        fresh=fresh,
    )


def groups_of(rows: Sequence[dict[str, Any]]) -> list[GroupMeans]:
    """Mean scores by label and mode."""
    groups = []
    for label, mode in sorted({(row["label"], row["mode"]) for row in rows}):
        members = [row for row in rows if (row["label"], row["mode"]) == (label, mode)]
        means = {
            score: _mean([row[score] for row in members])
            for score in ("mae", "hold_mae", "ssim", "apd", "coherence")
        }
        groups.append(GroupMeans(label, mode, len(members), **means))  # type: ignore[arg-type]
    return groups


def _mean(values: Sequence[float | None]) -> float | None:
    """Mean of the values that are not None; None if there are none."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None


def write_sheet(summary: RunSummary, store: SampleStore) -> RunSummary:
    """Draw the contact sheet of the sets that this run wrote; a bucket gets none."""
    if store.root is None:
        return summary
    rows = [_sheet_row(store, set_id) for set_id in spread(summary.fresh, SHEET_ROWS)]
    path = store.root / "sheets" / f"{summary.run_id}.png"
    path.parent.mkdir(exist_ok=True)
    return replace(summary, sheet=contact_sheet(rows, path, futures=SHEET_FUTURES))


def _sheet_row(store: SampleStore, set_id: str) -> SheetRow:
    """Frames and scores of one set; of large frames, only what is shown, and small."""
    sample_set = store.load(set_id)
    provenance = sample_set.provenance
    kept = sample_set.mae[sample_set.indices].mean()
    chosen = spread_futures(sample_set.videos, SHEET_FUTURES)
    masks = sample_set.masks if sample_set.mask_kind == "drawn" else None
    said = SetSettings.parse(provenance.settings).defect
    outlined = 0 if said is None else DEFECT - 1  # beside a defect, the part is no news
    return SheetRow(
        title=f"{provenance.label} · {provenance.mode}",
        subtitle=f"MAE {kept:.3f} (hold {sample_set.hold_mae:.3f})  APD {sample_set.apd:.3f}",
        past=thumbnails(sample_set.past, LARGEST_SHOWN),
        reference=thumbnails(sample_set.reference, LARGEST_SHOWN),
        kept=np.stack([thumbnails(sample_set.videos[rank], LARGEST_SHOWN) for rank in chosen]),
        masks=None
        if masks is None
        else np.stack([thumbnails(masks[rank], LARGEST_SHOWN) > outlined for rank in chosen]),
    )


def print_summary(summary: RunSummary, console: Console) -> None:
    """Show the table, the clips left out, and where to look next."""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title=f"{summary.run_id}: means over the kept videos of each set",
    )
    table.add_column("label")
    table.add_column("mode", no_wrap=True)
    for heading in ("sets", "MAE", "hold MAE", "SSIM", "APD", "coherence"):
        table.add_column(heading, justify="right")
    for group in summary.groups:
        coherence = "-" if group.coherence is None else f"{group.coherence:.2f}"
        table.add_row(
            escape(group.label),
            group.mode,
            str(group.sets),
            f"{group.mae:.4f}",
            f"{group.hold_mae:.4f}",
            f"{group.ssim:.3f}",
            f"{group.apd:.4f}",
            coherence,
        )
    console.print(table)
    for reject in summary.rejects:
        console.print(f"left out: {reject.name}: {reject.reason}", highlight=False, markup=False)
    for line in [] if summary.defects is None else summary.defects.lines():
        console.print(line, highlight=False, markup=False)
    if summary.forgotten:
        console.print(
            f"left out: {len(summary.forgotten)} sets that were forgotten; `flawcast forget "
            "STORE --undo SET_ID` brings one back, --again makes all of them",
            highlight=False,
            markup=False,
        )
    done = f"{summary.written} sets written" if summary.written else "nothing to do"
    console.print(
        f"{done}, {summary.present} were there; {summary.kept} kept videos in {summary.store}; "
        f"{summary.seconds:.0f} s",
        highlight=False,
        markup=False,
    )
    if summary.sheet:
        console.print(
            f"contact sheet: {summary.sheet}", highlight=False, markup=False, soft_wrap=True
        )
    if summary.page:
        console.print(f"report: {summary.page}", highlight=False, markup=False, soft_wrap=True)
