"""`flawcast schedule`: generate at set times."""

from pathlib import Path
from typing import Annotated

import typer

from flawcast.flows.commands.base import (
    app,
    interruptible,
)


@app.command(
    epilog="Example: flawcast schedule nightly.yaml --cron '0 2 * * *' --timezone Europe/Berlin"
)
def schedule(
    config: Annotated[Path, typer.Argument(help="YAML file: name, request, alarms.")],
    cron: Annotated[str, typer.Option(help='When, as five cron fields: "0 2 * * *".')],
    timezone: Annotated[
        str | None, typer.Option(help="Time zone of --cron, e.g. Europe/Berlin; UTC if not given.")
    ] = None,
) -> None:
    """Serve a Prefect deployment that generates on a schedule, until interrupted."""
    from flawcast.flows.running.services import log_to_terminal, services_environment

    log_to_terminal()
    with (
        interruptible("runs under way were stopped; finished sets are in the store"),
        services_environment(None),  # runs start in processes of their own, and inherit it
    ):
        from flawcast.flows.schedule.serve import read_schedule, serve_schedule

        schedule = read_schedule(config)
        serve_schedule(schedule, cron, timezone, lambda line: typer.echo(line, err=True))
