"""`flawcast query`: ask a store with SQL."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from flawcast.configs.errors import SettingsError
from flawcast.flows.commands.base import (
    JsonFlag,
    QuietFlag,
    TagOption,
    app,
    console,
    display,
    interruptible,
)

Rows = Literal["sets", "samples", "runs", "rejects", "reviews", "forgotten"]
Format = Literal["table", "json", "csv", "parquet"]
StoreArgument = Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")]


@app.command(
    epilog="Example: flawcast query demo/store --where \"apd > 0.02 and label = 'jam'\" --limit 20"
)
def query(
    store: StoreArgument,
    where: Annotated[
        str | None, typer.Option(help="SQL condition, e.g. \"apd > 0.02 and label = 'jam'\".")
    ] = None,
    order_by: Annotated[
        str | None, typer.Option(help='Column or expression, e.g. apd or "apd desc".')
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Largest number of rows.")] = None,
    rows: Annotated[
        Rows,
        typer.Option(
            help="One row per sample set, kept sample, run, rejected clip, review or forgotten set."
        ),
    ] = "sets",
    diverse: Annotated[
        int | None,
        typer.Option(min=1, help="Of the samples asked for, so many that differ most."),
    ] = None,
    max_mae: Annotated[
        float | None, typer.Option(min=0, help="With --diverse: no sample with a larger MAE.")
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = "table",
    out: Annotated[Path | None, typer.Option(help="File to write instead of printing.")] = None,
    tag: TagOption = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Find sample sets by diversity, error, label or any other column."""
    from flawcast.flows.query.answers import write_answer
    from flawcast.storage import SampleStore

    opened = SampleStore.open(store, tag=tag)
    if diverse is None:
        if max_mae is not None:
            raise SettingsError('max-mae: goes with --diverse; else use --where "mae <= ..."')
        table = opened.query(where, order_by, limit, rows)
    else:
        from flawcast.flows.query.diverse import diverse as choose

        if order_by is not None or limit is not None:
            raise SettingsError("diverse: gives samples by MAE, without --order-by and --limit")
        if rows not in ("sets", "samples"):
            raise SettingsError(f"diverse: gives samples, not {rows}; leave --rows out")
        with (
            interruptible("nothing was changed"),
            display(quiet or as_json).counting("samples") as on_sample,
        ):
            table = choose(opened, diverse, max_mae, where, on_sample).rows
    write_answer(table, "json" if as_json else format, out, console())
