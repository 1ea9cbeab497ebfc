"""One kept sample made again from its row: `flawcast regenerate`."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError, ModelError, StoreError
from flawcast.configs.set_settings import SetSettings
from flawcast.flows.generate.plan import SetPlan, SourceFrame
from flawcast.flows.generate.sample_set import SetRequest, sample_set_futures
from flawcast.generators.clips import ClipEntry, Window, clip_id, list_clips
from flawcast.generators.clips.video_files import check_video_name, write_video
from flawcast.generators.model import find_model, load_model
from flawcast.generators.rendering.devices import pick_device
from flawcast.storage import SampleStore

SAMPLE_ID = re.compile(r"[A-Za-z0-9_.-]{1,120}")


@dataclass(frozen=True)
class Regenerated:
    """A sample that was made again.

    Args:
        sample_id: The sample.
        equal: Whether all bytes are those of the store.
        largest: Largest difference of a pixel, 0 to 255.
    """

    sample_id: str
    equal: bool
    largest: int


def regenerate(
    store: str,
    sample_id: str,
    model: str | None = None,
    clips: Path | None = None,
    sources: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
) -> Regenerated:
    """Make a kept sample again from what its row says of model, clip, window, settings and seed.

    Args:
        store: The store.
        sample_id: As `query --rows samples` shows it.
        model: Model folder; None for where the run had it.
        clips: Folder of clips; None for where the run had it.
        sources: Folder of the sources of transfer mode; None for where the run had it.
        out: Video to write as well.
        device: Where to draw; bytes are equal on the kind of processor that the run had.

    Raises:
        FlawcastError: If the store has no such sample, or the model or a clip is not what it was
            made from.
    """
    if out is not None:
        check_video_name(out)
    opened = SampleStore.open(store)
    row = _row(opened, sample_id)
    asked = _asked(opened, row["run_id"])
    about = SetSettings.parse(row["settings"])
    settings, read = about.generate, about.clips
    if settings is None or read is None:
        raise StoreError(
            f"{sample_id}: expected settings of `flawcast generate` in its row, found others; "
            f"use flawcast {row['version']}, which wrote it"
        )
    loaded = load_model(find_model(model or asked("model", "--model")), pick_device(device))
    if loaded.weights_id != row["weights_id"]:
        raise ModelError(
            f"model: {sample_id} was made with {row['weights_id']}, found {loaded.weights_id}; "
            "name the folder of that model with --model"
        )
    folder = clips or Path(asked("clips", "--clips"))
    entry = _find(folder, row["clip_name"], row["clip_id"], read, "--clips")
    source = entry
    if row["mode"] == "transfer":
        where = sources or Path(asked("sources", "") or folder)
        source = _find(where, row["source_clip_name"], row["source_clip_id"], read, "--sources")
    plan = SetPlan(
        set_id=row["set_id"],
        entry=entry,
        clip_id=row["clip_id"],
        window=Window(row["window_start"], settings.past, settings.future),
        source=SourceFrame(source, row["source_clip_id"], row["source_frame"]),
        mode=row["mode"],
    )
    drawn = sample_set_futures(
        plan, loaded, SetRequest(settings, read, row["run_id"], row["version"])
    )
    video = drawn.scene.render(drawn.futures[row["index"]])
    kept = np.asarray(opened.open_array(row["set_id"], "videos")[row["rank"]], np.uint8)
    if out is not None:
        write_video(out, video, row["fps"])
    largest = int(np.abs(video.astype(np.int16) - kept).max())
    return Regenerated(sample_id, largest == 0, largest)


def _row(store: SampleStore, sample_id: str) -> dict[str, Any]:
    """The row of a sample."""
    missing = f"sample: {store.url} has no {sample_id!r}; see `flawcast query --rows samples`"
    if not SAMPLE_ID.fullmatch(sample_id):
        raise StoreError(missing)
    rows = store.query(f"sample_id = '{sample_id}'", rows="samples").to_pylist()
    if not rows:
        raise StoreError(missing)
    return dict(rows[0])


def _asked(store: SampleStore, run_id: str) -> Any:
    """What the run of a row was asked, by name; a function that says which option is missing."""
    rows = store.query(f"run_id = '{run_id}'", rows="runs").to_pylist()
    request = json.loads(rows[0]["settings"]) if rows else {}

    def value(name: str, option: str) -> str:
        found = request.get(name)
        if found is None and option:
            raise StoreError(f"{name}: the store does not say where the run had it; use {option}")
        return found or ""

    return value


def _find(folder: Path, name: str, wanted: str, read: ClipSettings, option: str) -> ClipEntry:
    """The clip of that id; its name is only where to look first. None is decoded."""
    entries = sorted(list_clips(folder), key=lambda entry: entry.name != name)
    for entry in entries:
        with suppress(OSError):
            if clip_id(entry, read) == wanted:
                return entry
    raise ClipError(f"{name}: {folder} has no clip of its bytes ({wanted}); use {option}")
