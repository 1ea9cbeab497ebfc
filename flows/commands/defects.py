"""`flawcast defects`: the bank of real defects, cut out of stills."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from flawcast.configs.errors import SettingsError
from flawcast.flows.commands.base import JsonFlag, app, console, interruptible

PORT = 8766  # of the page of --by-hand: `flawcast browse` may have the one before it
BankOption = Annotated[Path, typer.Option("--bank", help="Folder of the bank.")]
bank_app = typer.Typer(
    help="Real defects, cut out of stills: add them to a bank, list and show them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(
    bank_app,
    name="defects",
    epilog="Example: flawcast defects add stills --bank bank --label crack",
)


@bank_app.command(epilog="Example: flawcast defects add stills --bank bank --licence 'CC BY 4.0'")
def add(
    pictures: Annotated[
        Path,
        typer.Argument(
            help="Stills with masks (NAME_mask.png), or COCO, YOLO-seg, labelme or CVAT files."
        ),
    ],
    bank: BankOption,
    label: Annotated[
        str | None,
        typer.Option(help="Label of all; else the annotation's, labels.csv's or the folder's."),
    ] = None,
    licence: Annotated[str, typer.Option(help="Under which the stills may be used.")] = "",
    test: Annotated[
        list[Path] | None,
        typer.Option(help="Stills of the test split, or a folder of them: they never enter."),
    ] = None,
    by_hand: Annotated[
        bool,
        typer.Option("--by-hand", help="Mark them in a local page: a rectangle and a brush."),
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Of --by-hand; 0 for any that is free.")
    ] = None,
    show_page: Annotated[
        bool, typer.Option("--open", help="Open the page of --by-hand in a browser.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Cut marked defects out of stills; what is in the bank already is not added again."""
    from flawcast.generators.defects.bank import Bank, add_pictures

    if not by_hand and (port is not None or show_page):
        raise SettingsError("defects add: --port and --open are for --by-hand; give it, too")
    if by_hand:
        said = {"label": label or "", "licence": licence}
        _add_by_hand(pictures, bank, test or (), said, (port, show_page), as_json)
        return
    added = add_pictures(pictures, Bank(bank), label, licence, test or ())
    if as_json:
        values = {
            "items": [asdict(item) for item in added.items],
            "known": added.known,
            "left_out": [asdict(reject) for reject in added.left_out],
        }
        typer.echo(json.dumps(values))
        return
    typer.echo(
        f"{len(added.items)} added, {added.known} known already, "
        f"{len(added.left_out)} stills left out"
    )
    for reject in added.left_out:
        typer.echo(f"left out: {reject.name}: {reject.reason}")


def _add_by_hand(
    pictures: Path,
    bank: Path,
    test: Sequence[Path],
    said: dict[str, str],
    where: tuple[int | None, bool],
    as_json: bool,
) -> None:
    """Serve the page until Ctrl-C; its fields begin with what is said."""
    from flawcast.flows.browse.by_hand import Desk, serve_by_hand
    from flawcast.flows.browse.serve import Address
    from flawcast.flows.running.services import stop_on_sigterm
    from flawcast.generators.defects.bank import Bank, Stills

    def on_ready(url: str) -> None:
        typer.echo(json.dumps({"url": url}) if as_json else f"{url}  (Ctrl-C ends it)")

    with interruptible(f"the page is closed, what was saved is in {bank}"), stop_on_sigterm():
        address = Address(port=PORT if where[0] is None else where[0], open=where[1])
        desk = Desk(Stills(pictures, test), Bank(bank), said)
        serve_by_hand(desk, address, on_ready).run_until_told()


@bank_app.command("list", epilog="Example: flawcast defects list --bank bank")
def list_(bank: BankOption, as_json: JsonFlag = False) -> None:
    """List what a bank holds."""
    from flawcast.generators.defects.bank import Bank

    items = list(Bank(bank))
    if as_json:
        typer.echo(json.dumps([asdict(item) for item in items]))
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("item", "label", "source"):
        table.add_column(name, overflow="fold")
    for name in ("length", "of", "angle", "contrast", "pixels"):
        table.add_column(name, justify="right")
    table.add_column("licence", overflow="fold")
    for item in items:
        table.add_row(
            item.item_id,
            item.label,
            item.source,
            f"{item.length:.3f}",
            item.measured_by,
            f"{item.angle:.0f}",
            f"{item.contrast:.1f}",
            str(item.pixels),
            item.licence or "-",
        )
    console().print(table)


@bank_app.command(epilog="Example: flawcast defects show --bank bank --out bank.png")
def show(
    bank: BankOption,
    item: Annotated[
        str | None, typer.Argument(help="Id of an item, or its beginning; all if not given.")
    ] = None,
    out: Annotated[Path, typer.Option(help="PNG to write.")] = Path("defects.png"),
    as_json: JsonFlag = False,
) -> None:
    """Draw items of a bank, with the outlines of their masks, into a picture."""
    from flawcast.flows.pictures.defect_sheet import write_bank_sheet
    from flawcast.generators.defects.bank import Bank

    opened = Bank(bank)
    items = [opened[item]] if item is not None else list(opened)
    write_bank_sheet(out, [(one, opened.cut_out(one)) for one in items])
    if as_json:
        typer.echo(json.dumps({"items": [asdict(one) for one in items], "out": str(out)}))
    else:
        typer.echo(f"{len(items)} items in {out}")
