"""A set's time limit: looked at between renderings, and enforced on work that hangs."""

import subprocess
import sys
import time

import pytest

from flawcast.flows.running.deadline import EXIT_STUCK, SetTimeoutError, time_limit


def test_work_that_takes_too_long_ends_with_what_to_do() -> None:
    with time_limit(0.01, "jam @ 0") as deadline:
        deadline.check()
        time.sleep(0.02)
        with pytest.raises(SetTimeoutError, match=r"jam @ 0: took longer than set_seconds = 0\.01"):
            deadline.check()


def test_no_limit_no_end() -> None:
    with time_limit(None, "jam @ 0") as deadline:
        deadline.check()


def test_a_worker_that_hangs_is_ended() -> None:
    code = (
        "import time\n"
        "from flawcast.flows.running.deadline import time_limit\n"
        "with time_limit(0.05, 'stuck'):\n"
        "    time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=30, check=False)
    assert done.returncode == EXIT_STUCK


def test_a_process_that_is_no_worker_is_never_ended() -> None:
    with time_limit(0.01, "jam @ 0", ends_process=False) as deadline:
        time.sleep(0.1)
        with pytest.raises(SetTimeoutError):
            deadline.check()


def test_work_that_was_done_in_time_is_left_alone() -> None:
    code = (
        "import time\n"
        "from flawcast.flows.running.deadline import time_limit\n"
        "with time_limit(0.05, 'quick'):\n"
        "    pass\n"
        "time.sleep(0.5)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=30, check=False)
    assert done.returncode == 0
