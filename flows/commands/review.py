"""Commands by which people say what they think of samples: review."""

import getpass
import json
from typing import Annotated

import typer

from flawcast.configs.errors import SettingsError
from flawcast.flows.commands.base import JsonFlag, app

WORDS = {"accept": "accepted", "reject": "rejected", "clear": "none"}


def reviewer_name() -> str:
    """Who is at the keyboard, as far as the machine knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


@app.command(epilog="Example: flawcast review demo/store SAMPLE_ID --reject")
def review(
    store: Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")],
    sample_ids: Annotated[list[str], typer.Argument(help="As `query --rows samples` shows them.")],
    accept: Annotated[bool, typer.Option("--accept", help="Mark as accepted.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Mark as rejected.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Take the mark back.")] = False,
    note: Annotated[str, typer.Option(help="Why.")] = "",
    reviewer: Annotated[
        str | None, typer.Option(help="Who; the name you are logged in with if not given.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Mark kept samples; queries and loaders can ask: --where "review != 'rejected'"."""
    from flawcast.storage import SampleStore

    chosen = [word for word, given in zip(WORDS, (accept, reject, clear), strict=True) if given]
    if len(chosen) != 1:
        given = " and ".join(f"--{word}" for word in chosen) or "none"
        raise SettingsError(f"review: expected one of --accept, --reject, --clear, got {given}")
    SampleStore.open(store)  # a store that is absent is not made
    opened, said = SampleStore.open(store, "a"), WORDS[chosen[0]]
    who = reviewer_name() if reviewer is None else reviewer
    for sample_id in sample_ids:
        opened.review(sample_id, said, note, who)
        if not as_json:
            typer.echo(f"{sample_id}: {said if said != 'none' else 'mark taken back'}")
    if as_json:
        typer.echo(json.dumps({"review": said, "samples": sample_ids}))
