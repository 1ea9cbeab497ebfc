"""The leak guard: samples that come from clips of the test split are kept out of training.

A sample comes from two clips: the one whose future was sampled (it gave the motion) and the one
whose frame was animated (it gave the looks). Both count.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal

from flawcast.configs.errors import LeakError
from flawcast.configs.set_settings import SetSettings
from flawcast.storage.sample_rows import SampleRows

TRAIN, VALIDATION, TEST = "train", "val", "test"
NAMED = 3  # samples that an error message names

OnTest = Literal["refuse", "leave_out", "allow"]


def guarded(
    rows: list[dict[str, Any]],
    all_sets: Iterable[dict[str, Any]],
    on_test: OnTest,
    test_clips: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Return only samples that come from no clip of the test split.

    Test clips are those that the store's rows say are in the test split (clips whose future was
    sampled, and sources), and `test_clips`, for callers who split by other rules.

    Args:
        rows: Rows of samples.
        all_sets: Rows of all sets of the store, with clip_id, split and settings.
        on_test: "refuse" raises, "leave_out" drops samples of test clips, "allow" returns all.
        test_clips: Ids or names of further clips that are for testing.

    Raises:
        LeakError: If `on_test` is "refuse" and there are samples of test clips; it names them.
    """
    if on_test == "allow":
        return rows
    held_out = set(test_clips) | _clips_of_split(all_sets, TEST)
    leaks = [row for row in rows if _is_held_out(row, held_out)]
    if leaks and on_test == "refuse":
        raise _refusal(leaks, len(rows), held_out)
    return [row for row in rows if not _is_held_out(row, held_out)]


def guarded_rows(
    rows: SampleRows,
    all_sets: Iterable[dict[str, Any]],
    on_test: OnTest,
    test_clips: Collection[str] = (),
) -> SampleRows:
    """As `guarded`, for many rows."""
    if on_test == "allow":
        return rows
    held_out = set(test_clips) | _clips_of_split(all_sets, TEST)
    leaks = rows.among("split", {TEST})
    for name in ("clip_id", "clip_name", "source_clip_id", "source_clip_name"):
        leaks = leaks | rows.among(name, held_out)
    if on_test == "refuse" and leaks.any():
        raise _refusal(rows.where(leaks), len(rows), held_out)
    return rows.where(~leaks) if leaks.any() else rows


def splits_of(rows: Iterable[dict[str, Any]], all_sets: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The split that each sample belongs to: the strictest of those of its two clips.

    Args:
        rows: Rows of samples.
        all_sets: As for `guarded`.

    Returns:
        "train", "val" or "test" by the samples' ids; clips without a split are for training.
    """
    sets = list(all_sets)
    held_out = {split: _clips_of_split(sets, split) for split in (TEST, VALIDATION)}
    return {
        row["sample_id"]: next(
            (split for split, clips in held_out.items() if _is_held_out(row, clips, split)), TRAIN
        )
        for row in rows
    }


def _refusal(leaks: Sequence[dict[str, Any]], total: int, held_out: set[str]) -> LeakError:
    """An error that names some samples of test clips."""
    names = ", ".join(f"{row['sample_id']} ({_clips(row, held_out)})" for row in leaks[:NAMED])
    more = f" and {len(leaks) - NAMED} more" if len(leaks) > NAMED else ""
    return LeakError(
        f"samples: expected none from clips of the test split, got {len(leaks)} of {total}:"
        f" {names}{more}; leave them out with on_test='leave_out'"
    )


def _clips_of_split(all_sets: Iterable[dict[str, Any]], split: str) -> set[str]:
    """Ids of the clips that the rows of sets say are in a split."""
    found = set()
    for row in all_sets:
        if row["split"] == split:
            found.add(row["clip_id"])
        if SetSettings.parse(row["settings"]).source_split == split:
            found.add(row["source_clip_id"])
    return found


def _is_held_out(row: dict[str, Any], held_out: set[str], split: str = TEST) -> bool:
    """Whether one of a sample's clips is kept for a split."""
    return row["split"] == split or bool(held_out & set(_origins(row)))


def _origins(row: dict[str, Any]) -> tuple[str, str, str, str]:
    """Ids and names of a sample's clips."""
    return row["clip_id"], row["clip_name"], row["source_clip_id"], row["source_clip_name"]


def _clips(row: dict[str, Any], held_out: set[str]) -> str:
    """The test clips of a sample, and what they gave to it."""
    clips = []
    if row["split"] == TEST or {row["clip_id"], row["clip_name"]} & held_out:
        clips.append(f"motion of {row['clip_name']}")
    if {row["source_clip_id"], row["source_clip_name"]} & held_out:
        clips.append(f"looks of {row['source_clip_name']}")
    return ", ".join(clips)
