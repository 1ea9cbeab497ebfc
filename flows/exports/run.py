"""`flawcast export`: samples of a store into a folder, which appears whole or not at all."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flawcast.configs.errors import SettingsError, StoreError
from flawcast.configs.files import whole_folder
from flawcast.configs.labels import check_normal
from flawcast.flows.exports.base import EXPORTS, Export, ExportSample, ExportSettings
from flawcast.flows.exports.card import write_card
from flawcast.storage import SampleStore
from flawcast.storage.drawn import mask_sha256, read_checked
from flawcast.storage.gate import Gate
from flawcast.storage.leaks import TEST, TRAIN, VALIDATION, splits_of
from flawcast.storage.schema import MASK_ARRAYS

# Formats that tell good videos from defects.
DIVIDED = ("anomalib", "coco", "cvat", "fiftyone", "lerobot", "videofolder", "yolo-cls", "yolo-seg")
IN_ORDER = ("lerobot",)  # formats in which the videos of a split follow one another
SPLITS = (TRAIN, VALIDATION, TEST)
LABEL = re.compile(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]*")  # what may be the name of a folder


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        out: The folder.
        format: Its format.
        samples: How many videos.
        bytes: Size of all files.
        gated: Samples that the gate left out.
    """

    out: str
    format: str
    samples: int
    bytes: int
    gated: int = 0


def export(
    store: str,
    kind: str,
    out: Path,
    where: str | None = None,
    settings: ExportSettings | None = None,
    on_sample: Callable[[int, int], None] = lambda done, total: None,
    gate: Path | None = None,
    tag: str | None = None,
) -> Exported:
    """Write samples in a format that detectors read.

    Args:
        store: The store.
        kind: Name of the format.
        out: Folder that does not exist yet.
        where: SQL condition over the columns of samples; None for all.
        settings: How they are written.
        on_sample: Called with the number of samples read and of all.
        gate: Report of `flawcast uplift --validation`: samples of labels that hurt are left out.
        tag: Only the sets and reviews of this tag; None for those that are there now.

    Raises:
        SettingsError: If the format is unknown, the folder exists, or cannot be written.
        QueryError: If the condition is not valid.
        StoreError: If no sample meets it, one is damaged, or one lacks masks that are asked for.
    """
    write, chosen = EXPORTS[kind], settings or ExportSettings()
    if out.exists():
        raise SettingsError(f"out: expected a folder that does not exist yet, {out} does; name one")
    opened = SampleStore.open(store, snapshot=True, tag=tag)
    rows = opened.query(where, rows="samples").to_pylist()
    if not rows:
        raise StoreError("export: no sample meets the condition; see `flawcast query`")
    found = len(rows)
    if gate is not None:
        rows = Gate.read(gate).passed(rows)
        if not rows:
            raise StoreError(
                f"gate: {gate} says of all {found} samples not to use them; --force exports them"
            )
    if kind in DIVIDED:
        labels = opened.query().column("label").to_pylist()
        check_normal(chosen.normal, labels, "normal" in chosen.model_fields_set)
    without = sum(row["masks"] is None for row in rows)
    if chosen.masks and without:
        raise StoreError(
            f"masks: {without} of {len(rows)} samples have none; make them with "
            '`flawcast generate --masks`, or ask where="masks is not null"'
        )
    for label in sorted({row["label"] for row in rows}):
        if not LABEL.fullmatch(label):
            raise SettingsError(
                f"label: {label!r} cannot be the name of a folder; leave it out: --where"
            )

    sets = opened.query().select(["clip_id", "split", "source_clip_id", "settings"]).to_pylist()
    splits = splits_of(rows, sets)
    if kind in IN_ORDER:
        rows.sort(key=lambda row: SPLITS.index(splits[row["sample_id"]]))

    def samples() -> Iterator[ExportSample]:
        for done, row in enumerate(rows, start=1):
            yield read_sample(opened, row)
            on_sample(done, len(rows))

    name = re.sub(r"[^\w-]+", "-", out.name).strip("-") or "samples"
    made = Export(rows, samples, chosen, name, splits)
    source = store if tag is None else f"{store}, tag {tag}"
    try:
        with whole_folder(out) as draft:
            write(made, draft)
            write_card(made, source, where, kind, draft / "README.md")
            size = sum(path.stat().st_size for path in draft.rglob("*") if path.is_file())
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(f"out: cannot write {out}: {reason}; nothing was left") from None
    return Exported(str(out), kind, len(rows), size, found - len(rows))


def read_sample(store: SampleStore, row: dict[str, Any]) -> ExportSample:
    """Read a sample's video and masks, compared with their checksums.

    Raises:
        StoreError: If they are damaged.
    """
    set_id, rank = row["set_id"], row["rank"]
    wanted = {"videos": row["video_sha256"]}
    if row["masks"] is not None:
        checksums = store.row(set_id)["checksums"]
        wanted |= {name: mask_sha256(checksums, name, row) for name in MASK_ARRAYS}
    try:
        found = {
            name: read_checked(store.open_array(set_id, name), name.rstrip("s"), rank, sha256)
            for name, sha256 in wanted.items()
        }
    except StoreError as error:
        raise StoreError(
            f"{row['sample_id']}: {error}; see `flawcast verify {store.url}`"
        ) from error
    return ExportSample(row, found["videos"], found.get("masks"), found.get("valid"))
