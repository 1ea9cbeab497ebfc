"""The built-in line as material of the experiment."""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from flawcast.generators.clips.listing import LABELS
from flawcast.generators.line.clips import STATES, LineClip, draw_line, write_line

NAME = "line"  # what stands for it in place of a folder
GOOD, BAD = 80, 24  # clips drawn of the normal state and of each defect; one half is for testing
FRAMES = 24
LOOKS = "crack,chip=crack"  # what its label "crack" looks like


def draw_material(
    folder: Path,
    seed: int,
    on_clip: Callable[[int, int], None] = lambda done, total: None,
    size: int | None = None,
) -> Path:
    """Draw a line's clips into a folder, unless they are there.

    Args:
        folder: Where to write.
        seed: Decides all clips; the shipped models' training has seed 1.
        on_clip: Called with the number of clips drawn and of all.
        size: Width of the frames in pixels; None for the usual one.

    Returns:
        The folder.
    """
    if (folder / LABELS).is_file():
        return folder
    good, *bad = STATES
    total = GOOD + BAD * len(bad)
    drawn = chain(
        draw_line(GOOD, seed, FRAMES, size, states=(good,)),
        draw_line(BAD, seed, FRAMES, size, states=tuple(bad)),
    )

    def counted() -> Iterator[LineClip]:
        for done, clip in enumerate(drawn, start=1):
            on_clip(done, total)
            yield clip

    return write_line(folder, counted(), test_every=2)
