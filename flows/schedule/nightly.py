"""The scheduled run: `generate` as a Prefect flow, with an artifact and warnings."""

import base64
import io
import logging
import os
from collections import Counter
from datetime import UTC, datetime
from logging import Logger, LoggerAdapter
from pathlib import Path

from PIL import Image
from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event
from prefect.runtime import flow_run

from flawcast.configs.model_card import read_card
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.run import generate, run_name
from flawcast.flows.generate.summary import RunSummary
from flawcast.flows.markdown import markdown_table
from flawcast.flows.running import logs
from flawcast.flows.schedule.alarms import (
    Alarm,
    AlarmSettings,
    RunFigures,
    lateness,
    unlike_the_last,
)
from flawcast.flows.schedule.metrics import metrics_after
from flawcast.generators.model import find_model
from flawcast.storage import SampleStore

SHEET_WIDTH, SHEET_QUALITY = 900, 70  # of the picture in the artifact


def nightly_name() -> str:
    """The name of a scheduled run: clips, modes and forecaster."""
    request = flow_run.parameters["request"]
    if not isinstance(request, GenerateRequest):
        request = GenerateRequest.model_validate(request)
    if request.model is None:
        return run_name(request, "its own model")
    return run_name(request, read_card(find_model(request.model)).settings.forecaster.name)


@flow(name="flawcast", flow_run_name=nightly_name, persist_result=False)
def nightly(
    request: GenerateRequest,
    alarms: AlarmSettings = AlarmSettings(),  # noqa: B008 - frozen
    metrics: Path | None = None,
) -> None:
    """Make all sample sets that the store does not have yet, and report the results.

    Fired twice for the same clips, the second run finds everything done and writes nothing.

    Args:
        request: Clips, model, store, modes and settings.
        alarms: When to warn.
        metrics: File for Prometheus, written at the end.

    Raises:
        FlawcastError: If clips, model, store or settings cannot be used, or sets failed; those that
            were finished are in the store.
    """
    logs.write_to(os.environ.get(logs.VARIABLE))  # a schedule starts each run as a new process
    with metrics_after(request.store, metrics):
        _run(request, alarms)


def _run(request: GenerateRequest, alarms: AlarmSettings) -> None:
    """Generate, warn, and write the artifact."""
    logger = get_run_logger()
    found = lateness(flow_run.scheduled_start_time, datetime.now(UTC), alarms)
    _warn(found, request, logger)
    summary = generate(request)
    ran, earlier = run_figures(SampleStore.open(request.store), summary.run_id)
    drifted = unlike_the_last(ran, earlier, alarms)
    with logs.about(run_id=summary.run_id):
        _warn(drifted, request, logger)
    create_markdown_artifact(
        artifact_markdown(summary, [*found, *drifted]),
        key="flawcast-run",
        description=f"{summary.run_id}: {summary.written} sets written",
    )
    logger.info("%d sets written, %d were there", summary.written, summary.present)


def run_figures(store: SampleStore, run_id: str) -> tuple[RunFigures | None, list[RunFigures]]:
    """Mean scores of a run, None if it wrote nothing, and of those before it, the last first."""
    table = store.query().select(["run_id", "mae", "apd"])
    means = table.group_by("run_id").aggregate([("mae", "mean"), ("apd", "mean"), ("mae", "count")])
    runs = {
        row["run_id"]: RunFigures(row["run_id"], row["mae_count"], row["mae_mean"], row["apd_mean"])
        for row in means.to_pylist()
    }
    earlier = [runs[name] for name in sorted(runs, reverse=True) if name < run_id]
    return runs.get(run_id), earlier


def artifact_markdown(summary: RunSummary, alarms: list[Alarm]) -> str:
    """The summary of a run for Prefect's UI: counts, metrics, rejects and contact sheet."""
    lines = [
        f"# {summary.run_id}",
        "",
        f"{summary.written} sets written, {summary.present} were there, {summary.kept} kept videos "
        f"in `{summary.store}`, {summary.seconds:.0f} s.",
        "",
    ]
    lines += [f"> **{alarm.kind}**: {alarm.message}\n" for alarm in alarms]
    if summary.groups:
        headings = ["label", "mode", "sets", "MAE", "hold MAE", "SSIM", "APD", "coherence"]
        body = [
            [
                group.label,
                group.mode,
                str(group.sets),
                f"{group.mae:.4f}",
                f"{group.hold_mae:.4f}",
                f"{group.ssim:.3f}",
                f"{group.apd:.4f}",
                "-" if group.coherence is None else f"{group.coherence:.2f}",
            ]
            for group in summary.groups
        ]
        lines += markdown_table(headings, body, text_columns=2)
    if summary.rejects:
        reasons = Counter(reject.reason for reject in summary.rejects)
        body = [[reason, str(count)] for reason, count in reasons.most_common()]
        lines += ["", *markdown_table(["reason", "clips left out"], body)]
    if summary.sheet:
        lines += ["", f"![contact sheet]({_picture(summary)})", "", f"`{summary.sheet}`"]
    return "\n".join(lines) + "\n"


def _picture(summary: RunSummary) -> str:
    """The contact sheet, smaller, as a data address."""
    with Image.open(str(summary.sheet)) as sheet:
        sheet.thumbnail((SHEET_WIDTH, 10 * SHEET_WIDTH))
        stream = io.BytesIO()
        sheet.convert("RGB").save(stream, "JPEG", quality=SHEET_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _warn(
    alarms: list[Alarm], request: GenerateRequest, logger: Logger | LoggerAdapter[Logger]
) -> None:
    """Send warnings to the log and as events, which Prefect's automations can act on."""
    for alarm in alarms:
        logger.warning("%s: %s", alarm.kind, alarm.message)
        logs.log(f"{alarm.kind}: {alarm.message}", logging.WARNING, alarm=alarm.kind)
        emit_event(
            event=f"flawcast.run.{alarm.kind}",
            resource={
                "prefect.resource.id": f"flawcast.store.{request.store}",
                "prefect.resource.name": request.store,
            },
            related=[
                {
                    "prefect.resource.id": f"prefect.flow-run.{flow_run.id}",
                    "prefect.resource.role": "flow-run",
                }
            ],
            payload={"message": alarm.message},
        )
