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
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Answer Prometheus at this port: the metrics of the store."
        ),
    ] = None,
) -> None:
    """Serve a Prefect deployment that generates on a schedule, until interrupted."""
    from flawcast.flows.running import logs
    from flawcast.flows.running.services import log_to_terminal, services_environment

    if not logs.has_standard_error():
        log_to_terminal()

    def say(line: str) -> None:
        logs.log(line)
        if not logs.has_standard_error():
            typer.echo(line, err=True)

    with (
        interruptible("runs under way were stopped; finished sets are in the store"),
        services_environment(None),  # runs start in processes of their own, and inherit it
    ):
        from flawcast.flows.schedule.serve import read_schedule, serve_schedule

        serve_schedule(read_schedule(config), cron, timezone, say, metrics_port)
