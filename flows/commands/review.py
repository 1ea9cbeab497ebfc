"""`flawcast review`: accept or reject samples."""

import getpass
import json
from typing import Annotated

import typer

from flawcast.configs.errors import SettingsError
from flawcast.flows.commands.base import JsonFlag, app

WORDS = {"accept": "accepted", "reject": "rejected", "clear": "none"}


def reviewer_name() -> str:
    """The name of the logged-in user."""
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

    words = [word for word, given in zip(WORDS, (accept, reject, clear), strict=True) if given]
    if len(words) != 1:
        given = " and ".join(f"--{word}" for word in words) or "none"
        raise SettingsError(f"review: expected one of --accept, --reject, --clear, got {given}")
    SampleStore.open(store)  # refuses an absent store instead of creating it
    opened, said = SampleStore.open(store, "a"), WORDS[words[0]]
    who = reviewer_name() if reviewer is None else reviewer
    for sample_id in sample_ids:
        opened.review(sample_id, said, note, who)
        if not as_json:
            typer.echo(f"{sample_id}: {said if said != 'none' else 'mark taken back'}")
    if as_json:
        typer.echo(json.dumps({"review": said, "samples": sample_ids}))
