"""Serves the nightly flow as a Prefect deployment: `flawcast schedule`."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.types.entrypoint import EntrypointType

from flawcast.configs.errors import SettingsError, one_line
from flawcast.configs.preset_files import read_yaml
from flawcast.configs.settings import Settings, validated
from flawcast.flows.generate.own_model import with_model
from flawcast.flows.generate.request import GenerateRequest, as_trained
from flawcast.flows.running.configured_api import configured_api
from flawcast.flows.running.environment import working_in
from flawcast.flows.running.prefect_server import prefect_api
from flawcast.flows.running.services import run_folder
from flawcast.flows.schedule.alarms import AlarmSettings
from flawcast.flows.schedule.metrics import metrics_served
from flawcast.flows.schedule.nightly import nightly
from flawcast.generators.model import is_model, shipped_models
from flawcast.storage.address import whole_address

FIELDS = 5  # of a cron line: a sixth would be taken for seconds
GRACE_SECONDS = 600  # after this the slot of a run that never started is free again


class ScheduleConfig(Settings):
    """A configuration file of `flawcast schedule`.

    Args:
        name: The deployment's name.
        request: The settings of each run; see `GenerateRequest`.
        alarms: When to warn.
        metrics: File for Prometheus that each run writes at its end; none if not given.
    """

    name: str = "nightly"
    request: GenerateRequest
    alarms: AlarmSettings = AlarmSettings()
    metrics: Path | None = None


def read_schedule(path: Path) -> ScheduleConfig:
    """Read a configuration file; its relative paths are relative to the file.

    Raises:
        SettingsError: If it is absent, not YAML, or does not hold valid settings.
    """
    if not path.is_file():
        raise SettingsError(f"config: expected a YAML file, found none at {path}; write one")
    values = read_yaml(path)
    request = values.get("request")
    if isinstance(request, dict):
        values = {**values, "request": _resolved(request, path.parent.resolve())}
    if values.get("metrics") is not None:
        values = {**values, "metrics": path.parent.resolve() / str(values["metrics"])}
    return validated(ScheduleConfig, values, f"config {path}")


def _resolved(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make a request's paths absolute: a deployment runs anywhere."""
    paths = {
        name: str(folder / str(request[name]))
        for name in ("clips", "model", "store", "sources")
        if request.get(name) is not None and "://" not in str(request[name])
    }
    shipped = request.get("model")
    if shipped in shipped_models() and not is_model(folder / str(shipped)):
        del paths["model"]
    return {**request, **paths}


def serve_schedule(
    config: ScheduleConfig,
    cron: str,
    timezone: str | None = None,
    on_ready: Callable[[str], None] = lambda line: None,
    metrics_port: int | None = None,
) -> None:
    """Serve the deployment until interrupted; runs start in processes of their own.

    Where no Prefect server is configured, one is started for as long as this lasts; its records go
    with it.

    Args:
        config: The configuration of the runs.
        cron: The times of the runs, as five cron fields.
        timezone: The time zone of the cron fields, e.g. "Europe/Berlin"; UTC if not given.
        on_ready: Called with a line for people when all is ready.
        metrics_port: Where Prometheus may ask for the metrics of the store; None for nowhere.

    Raises:
        FlawcastError: If the cron fields or the time zone are not valid, there is no such model, or
            the port is taken.
    """
    dates = coming_dates(cron, timezone)
    schedule = _schedule(cron, timezone)
    request = as_trained(with_model(config.request, on_ready))
    request = request.model_copy(update={"store": whole_address(request.store)})
    parameters: dict[str, Any] = {
        "request": request.model_dump(mode="json"),
        "alarms": config.alarms.model_dump(mode="json"),
    }
    if config.metrics is not None:
        parameters["metrics"] = str(config.metrics)
    with (
        run_folder() as folder,
        metrics_served(request.store, metrics_port),
        nullcontext() if configured_api() else _own_server(folder),
    ):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        coming = ", ".join(f"{date:%Y-%m-%d %H:%M %Z}" for date in dates)
        on_ready(f"serving flawcast/{config.name} at {cron} (next: {coming}); Ctrl-C ends it")
        nightly.serve(
            name=config.name,
            schedule=schedule,
            parameters=parameters,
            entrypoint_type=EntrypointType.MODULE_PATH,
            # One run at a time spares the machine. A leaked slot delays a run by at most this;
            # the store alone ensures that nothing is made twice.
            global_limit=ConcurrencyLimitConfig(limit=1, grace_period_seconds=GRACE_SECONDS),
            print_starting_message=False,
        )


@contextmanager
def _own_server(folder: Path) -> Iterator[None]:
    """A Prefect server of our own; runs start in its folder, not among the user's files."""
    with prefect_api(folder), working_in(folder):
        yield


def coming_dates(cron: str, timezone: str | None = None, count: int = 3) -> list[datetime]:
    """The next dates of cron fields.

    Raises:
        SettingsError: If there are not five fields, one is not valid, the time zone is unknown, or
            no date comes.
    """
    zone = timezone or "UTC"
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingsError(
            f'timezone: expected a name such as "Europe/Berlin", got {timezone!r}; see '
            "https://en.wikipedia.org/wiki/List_of_tz_database_time_zones"
        ) from None
    what = f'cron: expected five fields such as "0 2 * * *", got {cron!r}'
    if len(cron.split()) != FIELDS:
        raise SettingsError(f"{what}, which has {len(cron.split())}; leave out seconds and years")
    from prefect.server.schemas.schedules import CronSchedule  # loads the whole server

    try:
        dates = asyncio.run(CronSchedule(cron=cron, timezone=zone).get_dates(count))
    except Exception as error:  # of croniter, under several names
        raise SettingsError(f"{what}: {one_line(error)}") from None
    if not dates:
        raise SettingsError(f"{what}, which no date of the coming years meets")
    return list(dates)


def _schedule(cron: str, timezone: str | None) -> Any:
    """Prefect's schedule."""
    from prefect.schedules import Cron

    return Cron(cron, timezone=timezone or "UTC")
