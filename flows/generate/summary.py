"""The summary of a run: a table by label and mode, a contact sheet, the clips left out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, compress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flawcast.configs.mask_levels import DEFECT
from flawcast.configs.set_settings import SetSettings
from flawcast.configs.spread import spread
from flawcast.flows.generate.defects.ledger import DefectLedger
from flawcast.flows.generate.plan import Plan, SetPlan, ids_of
from flawcast.flows.pictures.contact_sheet import SheetRow, contact_sheet, spread_futures
from flawcast.flows.pictures.thumbnails import thumbnails
from flawcast.generators.clips import Reject
from flawcast.storage import SampleStore
from flawcast.storage.ids import IdSet
from flawcast.storage.schema import SETS

SHEET_ROWS, SHEET_FUTURES = 24, 5
SCORES = ("mae", "hold_mae", "ssim", "apd", "coherence")
COLUMNS = ["label", "mode", "keep", *SCORES]
SCHEMA = pa.schema([SETS.field(name) for name in COLUMNS])
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
    there = store.ids()
    present = chain.from_iterable(_among(ids, there) for ids in ids_of(plan.sets))
    means, sets, kept = Means(), 0, 0
    for table in store.tables(present, COLUMNS):
        sets, kept = sets + table.num_rows, kept + int(pc.sum(table["keep"]).as_py() or 0)
        means.add(table)
    fresh = tuple(chain.from_iterable(_among(ids, there) for ids in ids_of(missing)))
    return RunSummary(
        run_id=run_id,
        store=store.url,
        written=len(fresh),
        present=sets - len(fresh),
        kept=kept,
        groups=tuple(means.groups()),
        rejects=plan.rejects,
        seconds=seconds,
        sheet=None,
        fresh=fresh,
    )


def _among(ids: list[str], there: IdSet) -> list[str]:
    """Those of some sets that are there."""
    return list(compress(ids, there.holds(ids).tolist()))


def groups_of(rows: Sequence[dict[str, Any]]) -> list[GroupMeans]:
    """Mean scores by label and mode."""
    means = Means()
    means.add(pa.Table.from_pylist([{name: row[name] for name in COLUMNS} for row in rows], SCHEMA))
    return means.groups()


class Means:
    """Mean scores by label and mode, of rows that come in portions."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], NDArray[np.float64]] = {}

    def add(self, rows: pa.Table) -> None:
        """Add rows, with the columns COLUMNS."""
        asked = [(score, kind) for score in SCORES for kind in ("sum", "count")]
        grouped = rows.group_by(["label", "mode"]).aggregate([*asked, ("keep", "count")])
        for row in grouped.to_pylist():
            values = [row[f"{score}_{kind}"] or 0 for score, kind in asked]
            key = row["label"], row["mode"]
            added = np.array([*values, row["keep_count"]], np.float64)
            self._sums[key] = self._sums.get(key, np.zeros(len(added))) + added

    def groups(self) -> list[GroupMeans]:
        """The means, sorted by label and mode."""
        found = []
        for (label, mode), sums in sorted(self._sums.items()):
            means = {
                score: float(sums[2 * at] / sums[2 * at + 1]) if sums[2 * at + 1] else None
                for at, score in enumerate(SCORES)
            }
            found.append(GroupMeans(label, mode, int(sums[-1]), **means))  # type: ignore[arg-type]
        return found


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
