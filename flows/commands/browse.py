"""`flawcast browse`: show samples in a browser."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flawcast.flows.commands.base import JsonFlag, TagOption, app, interruptible
from flawcast.flows.commands.review import reviewer_name


@app.command(epilog="Example: flawcast browse demo/store")
def browse(
    store: Annotated[str, typer.Argument(help="Store: a folder, or s3://BUCKET/PREFIX.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than loopback need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8765,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    reviewer: Annotated[
        str | None, typer.Option(help="Name of reviews; the one you are logged in with.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for small clips; one among your caches.")
    ] = None,
    tag: TagOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Look at samples in a browser, compare the futures of a set, and mark what is no good."""
    from flawcast.flows.browse.serve import Address, Server
    from flawcast.flows.running.services import stop_on_sigterm

    def on_ready(url: str) -> None:
        typer.echo(json.dumps({"url": url}) if as_json else f"{url}  (Ctrl-C ends it)")

    who = reviewer_name() if reviewer is None else reviewer
    with interruptible("the pages are closed, reviews are in the store"), stop_on_sigterm():
        Server(store, Address(host, port, show), who, on_ready, cache, tag).run_until_told()
