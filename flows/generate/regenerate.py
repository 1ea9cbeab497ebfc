"""One kept sample made again from its row: `flawcast regenerate`."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import ClipError, ModelError, StoreError
from flawcast.configs.set_settings import SetSettings
from flawcast.flows.generate.defects.in_set import look_of, part_of_source, where_in
from flawcast.flows.generate.defects.on_layers import layers_again
from flawcast.flows.generate.defects.on_pixels import video_again
from flawcast.flows.generate.defects.orders import WITH_DEFECT
from flawcast.flows.generate.kept import noise_seed
from flawcast.flows.generate.layered import chosen, layers_of, mask_material
from flawcast.flows.generate.masks import read_levels
from flawcast.flows.generate.plan import SetPlan, SourceFrame
from flawcast.flows.generate.sampled import Sampled, SetRequest, sample_set_futures
from flawcast.generators.clips import ClipEntry, Window, clip_id, list_clips, read_entry
from flawcast.generators.clips.video_files import check_video_name, write_video
from flawcast.generators.model import find_model, load_model
from flawcast.generators.rendering.devices import pick_device
from flawcast.storage import Layers, SampleStore
from flawcast.storage.drawn import difference, read_checked
from flawcast.storage.layered import LayeredArray

SAMPLE_ID = re.compile(r"[A-Za-z0-9_.-]{1,120}")


@dataclass(frozen=True)
class Regenerated:
    """A sample that was made again.

    Args:
        sample_id: The sample.
        equal: Whether all bytes are those of the store; of a sample that is kept as layers, those
            of what it is drawn from.
        largest: Largest difference of a pixel, 0 to 255, drawn on this machine.
        close: Whether the pixels differ by no more than what docs/store.md calls rounding.
    """

    sample_id: str
    equal: bool
    largest: int
    close: bool


class OriginalRequest:
    """The request of the run that made a sample, as its row in the store recorded it.

    Args:
        store: The store.
        run_id: The run.
    """

    def __init__(self, store: SampleStore, run_id: str) -> None:
        rows = store.query(f"run_id = '{run_id}'", rows="runs").to_pylist()
        self._values: dict[str, Any] = json.loads(rows[0]["settings"]) if rows else {}

    def path(self, name: str, option: str) -> Path:
        """A path that the run was given.

        Args:
            name: The request's field.
            option: The option that replaces it, for the message.

        Raises:
            StoreError: If the store did not record it.
        """
        path = self.optional_path(name)
        if path is None:
            raise StoreError(f"{name}: the store does not say where the run had it; use {option}")
        return path

    def defects(self, bank: Path | None, where: Path | None) -> tuple[Path | None, Path | None]:
        """The bank and the region of its defects, unless others are given."""
        said = self._values.get("defects") or {}
        found = [Path(said[name]) if said.get(name) else None for name in ("bank", "where")]
        return bank or found[0], where or found[1]

    def optional_path(self, name: str) -> Path | None:
        """A path that the run may have been given; None if it was not."""
        value = self._values.get(name)
        return Path(value) if value else None


def regenerate(
    store: str,
    sample_id: str,
    model: str | None = None,
    clips: Path | None = None,
    sources: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    bank: Path | None = None,
    where: Path | None = None,
) -> Regenerated:
    """Make a kept sample again from the model, clip, window, settings and seed in its row.

    Args:
        store: The store.
        sample_id: As `query --rows samples` shows it.
        model: Model folder; None for the one that the run used.
        clips: Folder of clips; None for the one that the run used.
        sources: Folder of sources for transfer mode; None for the one that the run used.
        out: Video file to write; None writes none.
        device: Where to render; the bytes are equal on the kind of processor that the run used.
        bank: Bank of its defect; None for the one that the run used.
        where: Region of its defect; None for the one that the run used.

    Raises:
        FlawcastError: If the store does not have the sample, or the model or a clip differs from
            the one that it was made from.
    """
    if out is not None:
        check_video_name(out)
    samples = SampleStore.open(store)
    row = _row(samples, sample_id)
    request = OriginalRequest(samples, row["run_id"])
    set_settings = SetSettings.parse(row["settings"])
    settings, clip_settings = set_settings.generate, set_settings.clips
    if settings is None or clip_settings is None:
        raise StoreError(
            f"{sample_id}: expected settings of `flawcast generate` in its row, found others; "
            f"use flawcast {row['version']}, which wrote it"
        )
    loaded = load_model(find_model(model or request.path("model", "--model")), pick_device(device))
    if loaded.weights_id != row["weights_id"]:
        raise ModelError(
            f"model: {sample_id} was made with {row['weights_id']}, found {loaded.weights_id}; "
            "name the folder of that model with --model"
        )
    folder = clips or request.path("clips", "--clips")
    entry = _find(folder, row["clip_name"], row["clip_id"], clip_settings, "--clips")
    source = entry
    if row["mode"] == "transfer":
        source = _find(
            sources or request.optional_path("sources") or folder,
            row["source_clip_name"],
            row["source_clip_id"],
            clip_settings,
            "--sources",
        )
    plan = SetPlan(
        set_id=row["set_id"],
        entry=entry,
        clip_id=row["clip_id"],
        window=Window(row["window_start"], settings.past, settings.future),
        source=SourceFrame(source, row["source_clip_id"], row["source_frame"]),
        mode=row["mode"],
    )
    sampled = sample_set_futures(
        plan, loaded, SetRequest(settings, clip_settings, row["run_id"], row["version"])
    )
    defects = request.defects(bank, where)
    made = _Made(plan, sampled, row, set_settings, defects)
    video, sha256 = made.drawn()
    kept = samples.open_array(row["set_id"], "videos")
    stored = read_checked(kept, "video", row["rank"], row["video_sha256"])
    if out is not None:
        write_video(out, video, row["fps"])
    largest = int(np.abs(video.astype(np.int16) - stored).max())
    equal = sha256 == row["video_sha256"] if isinstance(kept, LayeredArray) else largest == 0
    return Regenerated(sample_id, equal, largest, not difference(video, stored))


@dataclass(frozen=True)
class _Made:
    """What a sample is made again from.

    Args:
        plan: Its set.
        sampled: The set's futures.
        row: The sample's row.
        settings: What that row says.
        defects: Where the bank and the region of its defect are.
    """

    plan: SetPlan
    sampled: Sampled
    row: dict[str, Any]
    settings: SetSettings
    defects: tuple[Path | None, Path | None]

    def drawn(self) -> tuple[NDArray[np.uint8], str]:
        """The frames, and the checksum of what they are drawn from; "" without."""
        sampled, row, index = self.sampled, self.row, self.row["index"]
        size = (row["height"], row["width"])
        masks, draws = self.settings.masks, sampled.scene.backbone.renderer is not None
        own, usual = mask_material(masks, sampled.futures, self._levels(size) if draws else None)
        layers = layers_of(sampled.scene, sampled.futures, size, own, usual)
        if layers is None:
            return self._rendered(size), ""
        layers = self._with_defect(layers, size)
        kept = chosen(layers, [index], [noise_seed(row["set_id"], index)])
        return kept.videos()[0], kept.video_sha256(0)

    def _levels(self, size: tuple[int, int]) -> NDArray[np.uint8] | None:
        """Mask of the source frame, if the set's masks are drawn from it."""
        masks, defect = self.settings.masks, self.settings.defect
        if masks == WITH_DEFECT:
            refused = defect is not None and defect.made.refused
            return np.zeros(size, np.uint8) if refused else None
        if masks is None or masks.kind != "drawn":
            return None
        return self._all_levels()

    def _all_levels(self) -> NDArray[np.uint8] | None:
        """Mask of the source frame, if its clip has one."""
        entry, read = self.plan.source.entry, self._read
        whole = read_levels(entry, read, len(read_entry(entry, read).frames))
        return None if whole is None else whole[self.row["source_frame"]]

    @property
    def _read(self) -> ClipSettings:
        """How the clips were read."""
        return self.settings.clips or ClipSettings()

    def _with_defect(self, layers: Layers, size: tuple[int, int]) -> Layers:
        """Layers with the set's defect, if it has one."""
        defect, (bank, where) = self.settings.defect, self.defects
        if defect is None:
            return layers
        region = where_in(where, self._read, size) if defect.order.region else None
        look = look_of(self.sampled)
        return layers_again(defect.order, defect.made, look, layers, region, bank)

    def _rendered(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """A learned model's frames, with the set's defect if it has one."""
        sampled, future = self.sampled, self.sampled.futures[self.row["index"]]
        defect, (bank, where) = self.settings.defect, self.defects
        if defect is None or defect.made.refused:
            return sampled.scene.render(future)
        region = where_in(where, self._read, size) if defect.order.region else None
        part = part_of_source(self.plan, sampled, self._read, self._all_levels())
        return video_again(defect.order, defect.made, part, sampled.scene, future, region, bank)


def _row(store: SampleStore, sample_id: str) -> dict[str, Any]:
    """The row of a sample."""
    missing = f"sample: {store.url} has no {sample_id!r}; see `flawcast query --rows samples`"
    if not SAMPLE_ID.fullmatch(sample_id):
        raise StoreError(missing)
    rows = store.query(f"sample_id = '{sample_id}'", rows="samples").to_pylist()
    if not rows:
        raise StoreError(missing)
    return dict(rows[0])


def _find(folder: Path, name: str, wanted: str, read: ClipSettings, option: str) -> ClipEntry:
    """Find a clip by its id, without decoding any. Clips with the given name are tried first."""
    entries = sorted(list_clips(folder), key=lambda entry: entry.name != name)
    for entry in entries:
        with suppress(OSError):
            if clip_id(entry, read) == wanted:
                return entry
    raise ClipError(f"{name}: {folder} has no clip of its bytes ({wanted}); use {option}")
