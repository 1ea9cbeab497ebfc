"""`flawcast forget`: let sets disappear from a store."""

import json
from itertools import count
from typing import TYPE_CHECKING, Annotated

import typer

from flawcast.configs.errors import SettingsError
from flawcast.flows.commands.base import JsonFlag, QuietFlag, app, display, interruptible

if TYPE_CHECKING:
    from flawcast.storage import SampleStore


@app.command(epilog="Example: flawcast forget demo/store --where \"label = 'slip'\" --note blurred")
def forget(
    store: Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")],
    set_ids: Annotated[
        list[str] | None, typer.Argument(help="Sets, as `flawcast query` shows them.")
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="SQL condition over sets, e.g. \"label = 'jam'\".")
    ] = None,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Sets that `flawcast verify` finds damaged.")
    ] = False,
    undo: Annotated[
        bool,
        typer.Option("--undo", help="Show SET_IDS again; without any, those forgotten last."),
    ] = False,
    note: Annotated[str, typer.Option(help="Why.")] = "",
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Let sets disappear for all readers; `flawcast gc` removes them later, --undo until then.

    A tag that holds a set still shows it. `flawcast generate` does not make it again without
    --again.
    """
    from flawcast.storage import SampleStore

    given = [
        name
        for name, value in (
            ("SET_ID", bool(set_ids) and not undo),
            ("--where", where is not None),
            ("--damaged", damaged),
            ("--undo", undo),
        )
        if value
    ]
    if len(given) != 1:
        raise SettingsError(
            "forget: expected one of SET_ID..., --where, --damaged and --undo, got "
            f"{' and '.join(given) or 'none'}; give one"
        )
    SampleStore.open(store)  # refuses an absent store instead of creating it
    opened = SampleStore.open(store, "a")
    left: list[str] = []
    if undo:
        done = opened.undo_forget(set_ids or ())
    elif damaged:
        found, left = _damaged(opened, quiet or as_json)
        done = opened.forget(found, note=note or "damaged") if found else []
    else:
        done = opened.forget(set_ids or (), where, note)
    if as_json:
        what = "back" if undo else "forgotten"
        typer.echo(json.dumps({what: done, **({"left": left} if damaged else {})}))
        return
    for name in left:
        typer.echo(f"{name}: damaged, and no set; restore it from a copy of the store", err=True)
    typer.echo(
        f"{len(done)} sets are back"
        if undo
        else f"{len(done)} sets forgotten; `flawcast forget {store} --undo` takes it back until gc"
        if done
        else "nothing was forgotten: no set is damaged"
    )


def _damaged(store: "SampleStore", quiet: bool) -> tuple[list[str], list[str]]:
    """Damaged sets, and other damaged files."""
    from flawcast.storage.schema import SET_ID

    sets, done = len(store.set_ids()), count(1)
    with (
        interruptible("nothing was forgotten"),
        display(quiet).counting("sets") as on_set,
    ):
        problems = store.find_problems(ids=True, on_set=lambda: on_set(next(done), sets))
        names = sorted({item.set_id for item in problems})
    found = [name for name in names if SET_ID.fullmatch(name)]
    return found, [name for name in names if name not in found]
