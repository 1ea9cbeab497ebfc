"""Commands that ask a store and look after it: query, verify, gc, compact, runs, regenerate."""

import json
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from configs.errors import SettingsError
from flows.commands.base import (
    DeviceOption,
    Format,
    JsonFlag,
    QuietFlag,
    Rows,
    app,
    console,
    display,
    interruptible,
)

StoreArgument = Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")]
RUN_COLUMNS = ("planned", "made", "skipped", "failed", "rejected")


@app.command()
def query(
    store: StoreArgument,
    where: Annotated[
        str | None, typer.Option(help="SQL condition, e.g. \"apd > 0.02 and label = 'jam'\".")
    ] = None,
    order_by: Annotated[
        str | None, typer.Option(help='Column or expression, e.g. apd or "apd desc".')
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many rows.")] = None,
    rows: Annotated[
        Rows,
        typer.Option(help="One row per sample set, kept sample, run, rejected clip, or review."),
    ] = Rows.sets,
    diverse: Annotated[
        int | None,
        typer.Option(min=1, help="Of the samples asked for, so many that differ most."),
    ] = None,
    max_mae: Annotated[
        float | None, typer.Option(min=0, help="With --diverse: no sample with a larger MAE.")
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.table,
    out: Annotated[Path | None, typer.Option(help="File to write instead of printing.")] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Find sample sets by diversity, error, label or any other column."""
    from flows.answers import write_answer
    from storage import SampleStore

    opened = SampleStore.open(store)
    if diverse is None:
        if max_mae is not None:
            raise SettingsError('max-mae: goes with --diverse; else use --where "mae <= ..."')
        table = opened.query(where, order_by, limit, rows.value)
    else:
        from flows.diverse import diverse as choose

        if order_by is not None or limit is not None:
            raise SettingsError("diverse: gives samples by MAE, without --order-by and --limit")
        if rows not in (Rows.sets, Rows.samples):
            raise SettingsError(f"diverse: gives samples, not {rows.value}; leave --rows out")
        with (
            interruptible("nothing was changed"),
            display(quiet or as_json).counting("samples") as on_sample,
        ):
            table = choose(opened, diverse, max_mae, where, on_sample).rows
    write_answer(table, Format.json.value if as_json else format.value, out, console())


@app.command()
def verify(store: StoreArgument, quiet: QuietFlag = False, as_json: JsonFlag = False) -> None:
    """Recompute every checksum and id, and name what is damaged."""
    from storage import SampleStore

    opened = SampleStore.open(store)
    sets, problems = len(opened.set_ids()), []
    with (
        interruptible("what was read so far is told above"),
        display(quiet or as_json).counting("sets") as on_set,
    ):
        done = count(1)
        for item in opened.find_problems(ids=True, on_set=lambda: on_set(next(done), sets)):
            problems.append(asdict(item))
            if not as_json:
                typer.echo(f"{item.set_id}: {item.problem}")
    if as_json:
        typer.echo(json.dumps({"sets": sets, "problems": problems}))
    else:
        typer.echo(f"{sets} sets, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)


@app.command()
def gc(
    store: StoreArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would go.")] = False,
    older_than: Annotated[
        float,
        typer.Option(min=0, help="Hours: leave what is younger; less than 1 if nothing writes."),
    ] = 1.0,
    as_json: JsonFlag = False,
) -> None:
    """Remove what killed writers and compaction left over, and nothing that a row names."""
    from storage import SampleStore

    opened = SampleStore.open(store, "r" if dry_run else "a")
    removed, found, size = [], 0, 0
    for item in opened.gc(dry_run, older_than):
        found, size = found + 1, size + item.size
        if as_json:
            removed.append(asdict(item))
        else:
            typer.echo(f"{item.kind:9} {item.size:12,} bytes  {item.name}")
    if as_json:
        typer.echo(json.dumps({"dry_run": dry_run, "bytes": size, "removed": removed}))
    else:
        verb = "would remove" if dry_run else "removed"
        typer.echo(f"{verb} {found} files and folders, {size:,} bytes")


@app.command()
def compact(store: StoreArgument, quiet: QuietFlag = False, as_json: JsonFlag = False) -> None:
    """Move the rows of many sets into few sorted files, so that queries stay fast."""
    from storage import SampleStore

    opened = SampleStore.open(store, "a")
    with (
        interruptible("nothing was changed"),
        display(quiet or as_json).counting("sets") as on_set,
    ):
        done = opened.compact(on_set)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
    elif not done.won:
        typer.echo("another compaction finished first; nothing was changed")
    else:
        typer.echo(f"rows of {done.moved} sets moved; {done.parts} parts")
        if done.left:
            typer.echo(f"{done.left} damaged sets were left as they are; see `flawcast verify`")


@app.command()
def runs(store: StoreArgument, as_json: JsonFlag = False) -> None:
    """List the runs that added to a store: state, counts and durations."""
    from storage import SampleStore

    rows = SampleStore.open(store).query(rows="runs", order_by="started").to_pylist()
    if as_json:
        typer.echo(json.dumps(rows, default=str))
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("run", overflow="fold")  # in a narrow terminal on several lines, but whole
    table.add_column("state", no_wrap=True)
    table.add_column("started (UTC)", overflow="fold")
    table.add_column("time", no_wrap=True)
    for name in RUN_COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        counts = ("-" if row[name] is None else str(row[name]) for name in RUN_COLUMNS)
        started = row["started"].strftime("%Y-%m-%d %H:%M")
        table.add_row(row["run_id"], row["state"], started, _duration(row), *counts)
    console().print(table)


def _duration(row: dict[str, Any]) -> str:
    """How long a run took, or has been seen alive."""
    seconds = round(row["seconds"])
    text = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return text if row["ended"] else f"{text} +"


@app.command()
def regenerate(
    store: StoreArgument,
    sample_id: Annotated[str, typer.Argument(help="As `query --rows samples` shows it.")],
    model: Annotated[
        str | None, typer.Option(help="Model folder; where the run had it if not given.")
    ] = None,
    clips: Annotated[
        Path | None, typer.Option(help="Folder of clips; where the run had it if not given.")
    ] = None,
    sources: Annotated[
        Path | None, typer.Option(help="Folder of sources; where the run had it if not given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Video to write as well: .mp4, .mkv (lossless) or .gif.")
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Make one kept sample again from its row, and say whether the bytes are equal."""
    from flows.regenerate import regenerate as run

    made = run(store, sample_id, model, clips, sources, out, device)
    if as_json:
        typer.echo(json.dumps(asdict(made)))
    elif made.equal:
        typer.echo(f"{made.sample_id}: made again, all bytes are equal")
    else:
        typer.echo(
            f"{made.sample_id}: made again, the largest difference of a pixel is "
            f"{made.largest} of 255; another machine or library version rounds differently"
        )
    if not made.equal:
        raise typer.Exit(1)
