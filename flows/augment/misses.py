"""What a detector misses, by its scores of clips to validate on: more of that is drawn."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError, SettingsError
from flawcast.configs.identity import hash_files
from flawcast.generators.clips import ClipEntry, list_clips
from flawcast.generators.clips.listing import TEST
from flawcast.generators.clips.reading import clip_id

COLUMNS = ("clip", "score", "label")
EVEN = 0.5  # share of the videos that stays even over labels, whatever is missed


@dataclass(frozen=True)
class Scored:
    """A clip, or a frame of one, that a detector scored.

    Args:
        clip: Its name, or its id.
        frame: Number of the frame; None for all of the clip.
        score: Higher is more likely defective.
        label: The truth.
        size: Length of the defect as a share of the part's long side; None if unknown.
        severity: From 0 to 1; None if unknown.
        type: Type of a defect of looks; empty if unknown.
    """

    clip: str
    frame: int | None
    score: float
    label: str
    size: float | None = None
    severity: float | None = None
    type: str = ""


@dataclass(frozen=True)
class Misses:
    """Scored clips, and how much the detector misses each.

    Args:
        scored: What was scored.
        missed: For a defective clip, the share of good ones that score as high; for a good one,
            the share of defective ones that score as low; (n,).
        normal: The label of good clips.
        id: Hash of the file.
    """

    scored: tuple[Scored, ...]
    missed: NDArray[np.float64]
    normal: str
    id: str

    def by_label(self) -> dict[str, float]:
        """How much is missed of each label, on average."""
        groups: dict[str, list[float]] = defaultdict(list)
        for one, share in zip(self.scored, self.missed, strict=True):
            groups[one.label].append(float(share))
        return {label: float(np.mean(shares)) for label, shares in groups.items()}

    def budget(self, labels: Sequence[str], total: int, step: int) -> dict[str, int]:
        """Videos of each label: half of them evenly, half by what is missed.

        Args:
            labels: All labels.
            total: Videos of all labels together.
            step: Videos of a set; each label gets a multiple of it, at least one set.
        """
        known = self.by_label()
        usual = float(np.mean(list(known.values())))  # of a label that nobody scored
        weights = np.array([known.get(label, usual) for label in labels])
        even = np.full(len(labels), 1 / len(labels))
        shares = even if weights.sum() == 0 else EVEN * even + (1 - EVEN) * weights / weights.sum()
        sets = max(len(labels), total // step)
        counts = np.maximum(1, np.floor(shares * sets).astype(int))
        for index in np.argsort(np.floor(shares * sets) - shares * sets, kind="stable"):
            if counts.sum() < sets:
                counts[index] += 1
        return {label: int(count) * step for label, count in zip(labels, counts, strict=True)}

    def weights(self, label: str) -> dict[str, float]:
        """How much the detector misses each clip of a label, by the clip's name or id."""
        worst: dict[str, float] = {}
        for one, share in zip(self.scored, self.missed, strict=True):
            if one.label == label:
                worst[one.clip] = max(worst.get(one.clip, 0.0), float(share))
        return worst

    def types(self, label: str) -> dict[str, float]:
        """How much is missed of each type of looks of a label."""
        groups: dict[str, list[float]] = defaultdict(list)
        for one, share in zip(self.scored, self.missed, strict=True):
            if one.label == label and one.type:
                groups[one.type].append(float(share))
        return {name: float(np.mean(shares)) for name, shares in groups.items()}

    def middle(self, label: str, name: str) -> float | None:
        """The "size" or "severity" of what is missed most of a label; None if nobody said it."""
        pairs = [
            (getattr(one, name), share)
            for one, share in zip(self.scored, self.missed, strict=True)
            if one.label == label and getattr(one, name) is not None
        ]
        total = sum(share for _, share in pairs)
        return sum(value * share for value, share in pairs) / total if total else None


def read_misses(path: Path, normal: str) -> Misses:
    """Read scores.csv: clip, score and label of each line; frame, size, severity and type may be.

    Raises:
        SettingsError: If it is no such table, or lacks good or defective clips.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(
            f"misses: expected a table of scores, {path} is none: {error}"
        ) from None
    absent = [name for name in COLUMNS if not rows or name not in rows[0]]
    if absent:
        raise SettingsError(
            f"misses: expected the columns {', '.join(COLUMNS)} and a line for each clip in "
            f"{path}, found no {absent[0]}; `flawcast uplift --validation` writes such a scores.csv"
        )
    scored = tuple(_scored(row, path, number) for number, row in enumerate(rows, start=2))
    good = np.array([one.label == normal for one in scored])
    if good.all() or not good.any():
        raise SettingsError(
            f"misses: expected clips of {normal} and of defects in {path}, found only "
            f"{scored[0].label if good.all() else 'defects'}; score both, or use --normal"
        )
    scores = np.array([one.score for one in scored])
    missed = np.empty(len(scored))
    missed[~good] = (scores[good][None] >= scores[~good][:, None]).mean(axis=1)
    missed[good] = (scores[~good][None] <= scores[good][:, None]).mean(axis=1)
    return Misses(scored, missed, normal, hash_files([path])[:16])


def refuse_test_clips(misses: Misses, folder: Path, read: ClipSettings) -> dict[str, ClipEntry]:
    """Refuse scores of clips to test on: what is drawn by them would be tested on itself.

    Args:
        misses: What was scored.
        folder: The clips.
        read: How they are read.

    Returns:
        The clips that were scored, by the name or id that the scores give them.

    Raises:
        SettingsError: If a clip is of the split test, has the bytes of one, or is not there.
    """
    entries = list(list_clips(folder))
    ids: dict[str, list[ClipEntry]] = defaultdict(list)
    for entry in entries:
        ids[_id_of(entry, read)].append(entry)
    names = {entry.name: entry for entry in entries}
    found: dict[str, ClipEntry] = {}
    for name in dict.fromkeys(one.clip for one in misses.scored):
        same = (
            ids.get(name) or ids[_id_of(names[name], read)] if name in names or name in ids else []
        )
        if not same:
            raise SettingsError(
                f"misses: expected clips of {folder}, it has none called {name}; score those"
            )
        tested = [entry for entry in same if entry.split == TEST]
        if tested:
            how = "is" if tested[0].name == name else f"has the same bytes as {tested[0].name},"
            raise SettingsError(
                f"misses: {name} {how} a clip to test on; score clips of val or train instead, "
                "or the test tells nothing any more"
            )
        found[name] = names.get(name, same[0])
    return found


def nearest_first(
    wanted: Mapping[str, NDArray[np.float32]],
    weights: Mapping[str, float],
    others: Mapping[str, NDArray[np.float32]],
) -> list[str]:
    """Order clips by how near they are to those that are missed.

    Args:
        wanted: Features of scored clips, by name.
        weights: How much each of these is missed.
        others: Features of the clips to order, by id.

    Returns:
        Ids, the nearest first.
    """
    missed = [name for name in wanted if weights.get(name, 0) > 0]
    if not missed:
        return list(others)
    places = np.stack([wanted[name] for name in missed])
    heavy = np.array([weights[name] for name in missed])
    every = np.stack(list(others.values()))
    spread = np.concatenate([places, every]).std(axis=0) + 1e-6
    apart = np.linalg.norm((every[:, None] - places[None]) / spread, axis=2)
    near = (heavy / (apart + 1e-6)).max(axis=1)  # to any of those that are missed
    return [name for _, name in sorted(zip(-near, others, strict=True), key=lambda pair: pair[0])]


def _scored(row: Mapping[str, str], path: Path, line: int) -> Scored:
    """One line of the table."""

    def number(name: str) -> float | None:
        text = (row.get(name) or "").strip()
        try:
            return float(text) if text else None
        except ValueError:
            raise SettingsError(
                f"misses: expected a number for {name} in line {line} of {path}, got {text!r}; "
                "mend it"
            ) from None

    score, frame = number("score"), number("frame")
    if score is None or not np.isfinite(score):
        raise SettingsError(f"misses: expected a score in line {line} of {path}; add it")
    return Scored(
        (row["clip"] or "").strip(),
        None if frame is None else int(frame),
        score,
        (row["label"] or "").strip(),
        number("size"),
        number("severity"),
        (row.get("type") or "").strip(),
    )


def _id_of(entry: ClipEntry, read: ClipSettings) -> str:
    """The clip's id; its name where it cannot be read."""
    try:
        return clip_id(entry, read)
    except (ClipError, OSError):
        return entry.name


def write_scores(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    """Write scores.csv: a line for each clip that was scored.

    Args:
        path: The file.
        rows: Values by column; those that are absent stay empty.
    """
    columns = ("clip", "frame", "score", "label", "type", "size", "severity")
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path
