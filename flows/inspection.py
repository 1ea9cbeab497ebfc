"""What a folder of clips holds, as flawcast understands it: `flawcast inspect`."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from flawcast.configs.errors import ClipError
from flawcast.configs.identity import hash_files
from flawcast.flows.running.display import Display
from flawcast.generators.clips.decoding import frame_files
from flawcast.generators.clips.listing import LABELS, ClipEntry, Reject, list_clips
from flawcast.generators.clips.probing import Probe, probe_clip
from flawcast.generators.clips.rates import rates_of
from flawcast.generators.clips.recognised import layout_of

MOST_FRAMES = 500  # of a video, that tell its rate
MOST_NAMED = 5  # clips or files that one line names


@dataclass(frozen=True)
class FolderView:
    """A folder as it is understood.

    Args:
        folder: The folder.
        layout: The layout that was recognised, for people.
        entries: Its clips.
        rejects: What was left out, with reasons.
        notes: What was understood though it was not said.
        doubt: Why clips for testing may be among those to learn from; empty if nothing says so.
        skipped: Files that are no clips, counted by suffix.
    """

    folder: Path
    layout: str
    entries: tuple[ClipEntry, ...]
    rejects: tuple[Reject, ...]
    notes: tuple[str, ...]
    doubt: str
    skipped: dict[str, int]

    def refuse_doubt(self) -> None:
        """Stop before anything is learnt from a folder that may hold test clips unmarked.

        Raises:
            ClipError: If it may.
        """
        if self.doubt:
            raise ClipError(self.doubt)

    def lines(self) -> Iterator[str]:
        """The view for people: clips by label and split, what was left out, and notes."""
        groups = Counter((entry.split, entry.label) for entry in self.entries)
        masks = sum(entry.mask is not None for entry in self.entries)
        count = len(self.entries)
        yield (
            f"{self.folder}: {count} clip{'s' * (count != 1)}, {self.layout}"
            f"{f', {masks} with a mask' if masks else ''}"
        )
        for split in sorted({split for split, _ in groups}):
            labels = ", ".join(
                f"{number} {label}" for (where, label), number in sorted(groups.items())
                if where == split
            )  # fmt: skip
            yield f"  {split or 'no split'}: {labels}"
        if self.skipped:
            kinds = ", ".join(f"{number} {suffix}" for suffix, number in self.skipped.items())
            yield f"  not read: {kinds}"
        reasons = defaultdict(list)
        for reject in self.rejects:
            reasons[reject.reason].append(reject.name)
        for reason, names in reasons.items():
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            yield f"  left out: {', '.join(names[:MOST_NAMED])}{more}: {reason}"
        for note in self.notes:
            yield f"  note: {note}"


def view_folder(folder: Path) -> FolderView:
    """List a folder's clips and say how it was understood; nothing is decoded.

    Raises:
        ClipError: If the folder is absent or holds no clips, or labels.csv is malformed.
    """
    rejects: list[Reject] = []
    notes: list[str] = []
    doubts: list[str] = []
    entries = list_clips(folder, rejects.append, notes.append, doubts.append)
    return FolderView(
        folder=folder,
        layout=layout_of(folder, entries),
        entries=tuple(entries),
        rejects=tuple(rejects),
        notes=tuple(notes),
        doubt="".join(doubts[:1]),
        skipped=_skipped(folder, entries),
    )


def show_folder(folder: Path, display: Display, learning: bool = False) -> None:
    """Show how a folder was understood, before anything is made of it.

    Args:
        folder: The folder of clips.
        display: Where to show it.
        learning: Whether something will be learnt from it.

    Raises:
        ClipError: If something will be learnt, and clips for testing may be among the others.
    """
    view = view_folder(folder)
    if learning:
        view.refuse_doubt()
    rejects = {f"left out: {item.name}" for item in view.rejects}
    for line in view.lines():
        if not any(line.strip().startswith(reject) for reject in rejects):  # said when it is read
            display.console.print(line, highlight=False, markup=False, soft_wrap=True)


def inspect(folder: Path) -> tuple[FolderView, dict[str, Probe], list[list[str]]]:
    """Look at every clip's header and bytes as well.

    Returns:
        The view; sizes, rates, depths of each clip by name; groups of clips with the same bytes.

    Raises:
        ClipError: If the folder cannot be listed.
    """
    view = view_folder(folder)
    rates = rates_of(view.entries, MOST_FRAMES)
    probes = {
        entry.name: replace(probe_clip(entry), fps=rates.get(entry.name) or 0.0)
        for entry in view.entries
    }
    return view, probes, same_bytes(view.entries)


def same_bytes(entries: tuple[ClipEntry, ...]) -> list[list[str]]:
    """Names of clips whose bytes are the same, in groups; files of different sizes are not read."""
    by_size = defaultdict(list)
    for entry in entries:
        files = _files(entry)
        by_size[tuple(file.stat().st_size for file in files if file.exists())].append(entry)
    by_hash = defaultdict(list)
    for alike in by_size.values():
        for entry in alike if len(alike) > 1 else ():
            by_hash[hash_files(_files(entry))].append(entry.name)
    return [names for names in by_hash.values() if len(names) > 1]


def to_json(
    view: FolderView, probes: dict[str, Probe], duplicates: list[list[str]]
) -> dict[str, Any]:
    """The whole result as plain values."""
    return {
        "folder": str(view.folder),
        "layout": view.layout,
        "clips": [
            {
                "name": entry.name,
                "label": entry.label,
                "split": entry.split,
                "onset": entry.onset,
                "mask": None if entry.mask is None else str(entry.mask),
                **asdict(probes[entry.name]),
            }
            for entry in view.entries
        ],
        "rejects": [asdict(reject) for reject in view.rejects],
        "not_read": view.skipped,
        "notes": list(view.notes),
        "doubt": view.doubt,
        "duplicates": duplicates,
    }


def _files(entry: ClipEntry) -> list[Path]:
    """The files of a clip."""
    return frame_files(entry.path) if entry.path.is_dir() else [entry.path]


def _skipped(folder: Path, entries: list[ClipEntry]) -> dict[str, int]:
    """Files that belong to no clip, counted by suffix."""
    if folder.is_file():
        return {}
    used = {entry.path for entry in entries} | {folder / LABELS}
    used |= {entry.mask for entry in entries if entry.mask is not None}
    counts = Counter(
        path.suffix.lower() or "without suffix"
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and not used & {path, *path.parents}
    )
    return dict(sorted(counts.items()))
