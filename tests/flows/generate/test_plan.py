"""Which sets a run consists of."""

from pathlib import Path

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.plan import plan_sets
from flawcast.generators.line.clips import draw_line, write_line

SETTINGS = GenerateSettings(past=2, future=2, samples=2, keep=2)


def transfer_sets(folder: Path) -> set[str]:
    plan = plan_sets(folder, None, ("transfer",), SETTINGS, ClipSettings(size=16), "weights-0")
    return {one.set_id for one in plan.sets}


def test_a_new_clip_leaves_most_sets_as_they_were(tmp_path: Path) -> None:
    """A nightly run makes those of the new clip, and few others anew."""
    line = list(draw_line(2, 5, 12, 64))
    before = transfer_sets(write_line(tmp_path / "line", line[:-1]))
    after = transfer_sets(write_line(tmp_path / "line", line))
    windows = 3
    assert len(before) == windows * (len(line) - 1)
    assert len(after) == windows * len(line)
    assert len(before & after) > 0.8 * len(before)
