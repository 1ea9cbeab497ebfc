"""What a person sees while something long goes on, and what a pipe gets of it."""

import io
from types import SimpleNamespace

import pytest
import typer
from rich.console import Console

from flawcast.flows.commands.line import app
from flawcast.flows.running.display import Display
from flawcast.flows.running.progress import FuturesDone, SetDone
from tests.flows.commands.running import run


def shown(terminal: bool) -> str:
    """What counting to 3 of 4 leaves on a console."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, color_system=None)
    with Display(console).counting("sets") as on_done:
        for done in (1, 2, 3):
            on_done(done, 4)
    return stream.getvalue()


def test_a_terminal_shows_what_is_done_the_rate_and_the_time_left() -> None:
    text = shown(terminal=True)
    assert "sets" in text
    assert "3/4" in text
    assert "/s " in text
    assert text.count("0:00:0") >= 2  # elapsed and left


def test_a_pipe_gets_no_bars_and_no_colours() -> None:
    assert shown(terminal=False) == ""


def test_a_silent_display_shows_nothing() -> None:
    with Display.silent().counting("sets") as on_done:
        on_done(1, 2)


def test_a_run_says_that_it_starts_and_shows_shards_once_they_have_begun() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, color_system=None)
    shards = [SimpleNamespace(number=1, plans=[0, 1]), SimpleNamespace(number=2, plans=[2])]
    with Display(console).making(shards, samples=10) as on_event:
        assert "starting workers" in stream.getvalue()
        on_event(FuturesDone(shard=2, set_id="set-1", futures=5))
    text = stream.getvalue()
    assert "all sets" in text
    assert "shard 2" in text
    assert "shard 1" not in text


def test_sets_that_a_shard_meets_again_count_once() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, color_system=None)
    shards = [SimpleNamespace(number=1, plans=[0, 1, 2])]
    with Display(console).making(shards, samples=10) as on_event:
        for _ in range(2):
            on_event(FuturesDone(shard=1, set_id="set-1", futures=10))
            on_event(SetDone(shard=1, set_id="set-1", line="made", fresh=True))
    assert "1/3 sets" in stream.getvalue()
    assert "2/3 sets" not in stream.getvalue()


ALWAYS_SHORT = {"import", "inspect", "review", "runs", "gc", "regenerate", "doctor", "schedule"}
ALWAYS_SHORT |= {"add", "list", "show"}  # of a bank of defects
ALWAYS_SHORT |= {"tag", "tags", "diff", "import-labels"}
UNTIL_INTERRUPTED = {"schedule", "browse"}


def test_results_come_as_json_and_progress_can_be_silenced() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    banks = commands.pop("defects").commands
    for name, command in {**commands, **banks}.items():
        options = {option for item in command.params for option in item.opts}
        assert "--json" in options or name in UNTIL_INTERRUPTED, name
        assert "--quiet" in options or name in ALWAYS_SHORT | UNTIL_INTERRUPTED, name


def test_what_nobody_foresaw_is_one_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a library\nsaid this")

    monkeypatch.setattr("flawcast.flows.doctor.examine", broken)
    done = run("doctor")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("flawcast: unexpected RuntimeError: a library said this; ")
    assert "Traceback" in run("--verbose", "doctor").stderr
