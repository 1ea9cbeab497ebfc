"""What a person sees while something long goes on, and what a pipe gets of it."""

import io

from rich.console import Console

from flows.display import Display


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
