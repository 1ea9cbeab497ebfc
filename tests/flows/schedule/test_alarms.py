"""When a run is late, empty, or unlike the last ones."""

from datetime import UTC, datetime, timedelta

import pytest

from flawcast.flows.schedule.alarms import AlarmSettings, RunFigures, lateness, unlike_the_last

USUAL = [RunFigures(f"run-{day}", 10, 0.02, 0.03) for day in range(9, 0, -1)]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("minutes", "kinds"), [(0, []), (29, []), (31, ["late"])])
def test_late_after_half_an_hour(minutes: int, kinds: list[str]) -> None:
    alarms = lateness(NOON, NOON + timedelta(minutes=minutes), AlarmSettings())
    assert [alarm.kind for alarm in alarms] == kinds


def test_a_run_without_a_time_is_never_late() -> None:
    assert lateness(None, NOON, AlarmSettings()) == []


@pytest.mark.parametrize(
    ("mae", "apd", "kinds"),
    [
        (0.02, 0.03, []),
        (0.029, 0.016, []),
        (0.031, 0.03, ["error-drift"]),
        (0.009, 0.03, ["error-drift"]),
        (0.05, 0.001, ["error-drift", "diversity-drift"]),
    ],
)
def test_drift_from_the_median_of_the_last_runs(mae: float, apd: float, kinds: list[str]) -> None:
    alarms = unlike_the_last(RunFigures("run-10", 5, mae, apd), USUAL, AlarmSettings())
    assert [alarm.kind for alarm in alarms] == kinds


def test_too_few_runs_to_be_unlike() -> None:
    run = RunFigures("run-10", 5, 0.5, 0.5)
    assert unlike_the_last(run, USUAL[:2], AlarmSettings()) == []
    assert unlike_the_last(run, USUAL[:3], AlarmSettings())


def test_only_the_last_runs_count() -> None:
    long_ago = [RunFigures("run-0", 5, 9, 9)] * 100
    run = RunFigures("run-10", 5, 0.02, 0.03)
    assert unlike_the_last(run, [*USUAL, *long_ago], AlarmSettings()) == []


def test_an_empty_run_warns_where_that_is_asked() -> None:
    assert unlike_the_last(None, USUAL, AlarmSettings()) == []
    (alarm,) = unlike_the_last(None, USUAL, AlarmSettings(empty=True))
    assert alarm.kind == "empty"
