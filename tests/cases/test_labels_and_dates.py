"""Labels that no video has, and dates that never come, are said before anything is done."""

from datetime import UTC, datetime

import pytest

from flawcast.configs.errors import SettingsError
from flawcast.configs.labels import check_normal
from flawcast.flows.schedule.serve import coming_dates


@pytest.mark.parametrize("good", ["good", "OK", "ok", "Normal", "Defect-free", "NORMAL "])
def test_a_default_that_no_video_has_names_the_label_that_is_meant(good: str) -> None:
    with pytest.raises(SettingsError, match=rf"got 'normal'.*name {good} with --normal"):
        check_normal("normal", ["jam", good], is_given=False)
    check_normal(good, ["jam", good])


def test_a_label_that_was_named_must_be_there() -> None:
    with pytest.raises(SettingsError, match=r"labels jam, normal, got 'good'.*name normal"):
        check_normal("good", ["normal", "jam", "jam"])
    with pytest.raises(SettingsError, match="one of the labels jam, slip, got 'good'"):
        check_normal("good", ["jam", "slip"])


def test_a_store_of_defects_alone_needs_no_label() -> None:
    check_normal("normal", ["jam", "slip"], is_given=False)


@pytest.mark.parametrize(
    ("cron", "timezone", "message"),
    [
        ("0 0 2 * * *", None, "which has 6; leave out seconds"),
        ("0 2 * *", None, "which has 4"),
        ("0 2 30 2 *", None, "0 2 30 2"),
        ("0 25 * * *", None, "expected five fields"),
        ("0 2 * * *", "Europe/Nowhere", "timezone: expected a name"),
        ("0 2 * * *", "../etc/passwd", "timezone: expected a name"),
    ],
    ids=["seconds", "four", "30 February", "hour 25", "zone", "path"],
)
def test_dates_that_never_come_are_refused(cron: str, timezone: str | None, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        coming_dates(cron, timezone)


def test_the_next_dates_are_those_of_the_zone() -> None:
    dates = coming_dates("30 2 * * *", "Asia/Tokyo")
    assert len(dates) == 3
    assert all((date.hour, date.minute) == (2, 30) for date in dates)
    assert all(date > datetime.now(UTC) for date in dates)
