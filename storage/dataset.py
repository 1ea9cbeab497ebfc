"""Kept samples as a torch dataset, for training detectors."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import zarr
from torch import Tensor
from torch.utils.data import Dataset

from flawcast.configs.errors import StoreError
from flawcast.storage.arrays import by_video
from flawcast.storage.drawn import mask_sha256, read_checked
from flawcast.storage.gate import Gate
from flawcast.storage.layered import LayeredArray
from flawcast.storage.leaks import OnTest, guarded_rows
from flawcast.storage.pieces import Folders, Piece
from flawcast.storage.reading_order import ReadingOrder
from flawcast.storage.schema import STORED
from flawcast.storage.store import SampleStore

SCALARS = ("sample_id", "set_id", "clip_id", "label", "mae", "diversity")
FIELDS = ("video", *SCALARS)
MASKED = ("mask", "valid")
PROVENANCE = (  # columns of a sample that are never null, so that batches can hold them
    "sample_id",
    "set_id",
    "clip_id",
    "clip_name",
    "source_clip_id",
    "source_clip_name",
    "source_frame",
    "window_start",
    "index",
    "mode",
    "backbone",
    "forecaster",
    "weights_id",
    "settings_id",
    "seed",
    "run_id",
    "version",
)
OPEN_ARRAYS = 512  # arrays whose metadata is kept; files are open only while they are read


class SampleSetDataset(Dataset[dict[str, Any]]):
    """One item per kept video of the sets in the store, or snapshot, when the dataset is made.

    Items are dicts of the named `fields`, which `torch.utils.data.DataLoader` makes batches of:

    - "video": float32 (F, 3, H, W) in [0, 1], after `transform`;
    - "mask": uint8 (F, H, W) and "valid": bool (F, H, W), of sets made with masks: `SampleSet`;
    - "provenance": a dict of plain values that trace the sample to its clips, model and run;
    - any column of samples that has a value in all rows: "label", "sample_id", "clip_id", "mae".

    Videos keep their own size and aspect. Batches need one size: name it in `where`, or give a
    `transform` that makes one.

    `rows[i]` has all columns of item i, as a dict that is made when it is asked for. A dataset can
    be pickled; each worker opens its own files.
    Samples of clips of the test split raise an error, unless `on_test` says otherwise.

    Args:
        store: The store or its URL; a snapshot, so that several datasets see the same sets.
        where: SQL condition over the columns of samples; None for all.
        transform: Applied to each video. A random one that moves pixels does not move masks: pass
            it as `augment` instead.
        fields: Names of the values of an item.
        augment: Applied to each whole item, to change video and mask alike.
        on_test: What to do with samples of test clips: "refuse" (an error that names them),
            "leave_out", or "allow".
        test_clips: Ids or names of further clips that are for testing.
        gate: Report of `flawcast uplift --validation`: samples of labels that hurt are left out,
            and counted in `gated`.

    Raises:
        QueryError: If the condition is not valid.
        LeakError: If samples come from clips of the test split and `on_test` is "refuse".
        StoreError: If there is no store, a field is unknown or has no value in some rows, masks are
            named in `fields` but some sets have none, or, for an item, its arrays are damaged.
    """

    def __init__(
        self,
        store: str | Path | SampleStore,
        where: str | None = None,
        transform: Callable[[Tensor], Tensor] | None = None,
        *,
        fields: Sequence[str] = FIELDS,
        augment: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        on_test: OnTest = "refuse",
        test_clips: Collection[str] = (),
        gate: Path | str | None = None,
    ) -> None:
        opened = store if isinstance(store, SampleStore) else SampleStore.open(store)
        self._store = opened.pinned()  # an epoch does not end because a set is forgotten
        self._transform, self._augment = transform, augment
        self.fields = tuple(fields)
        rows = self._store.sample_rows(where)
        columns = ["clip_id", "split", "source_clip_id", "settings"]
        sets = (dict(zip(columns, found, strict=True)) for found in self._store.distinct(columns))
        self.rows = guarded_rows(rows, sets, on_test, test_clips)
        self.left_out = len(rows) - len(self.rows)
        passed = self.rows if gate is None else Gate.read(gate).passed_rows(self.rows)
        self.gated = len(self.rows) - len(passed)
        self.rows = passed
        self._arrays: OrderedDict[tuple[str, str], zarr.Array[Any] | LayeredArray] = OrderedDict()
        self._checksums: dict[str, dict[str, Any]] = {}
        self._check_fields()
        self._pieces = self._store.pieces
        self._folders = Folders() if self._pieces is None else Folders.of(self._store, self.rows)
        self._order: ReadingOrder | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self.rows[index]
        item = {field: self._field(field, row) for field in self.fields}
        return self._augment(item) if self._augment else item

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        """The items of a batch; those of a bucket are fetched at once, and the next ones, too."""
        if self._pieces is not None:
            coming = [] if self._order is None else self._order.after(indices)
            self._pieces.ahead(
                piece for index in (*indices, *coming) for piece in self._pieces_of(index)
            )
        return [self[index] for index in indices]

    def expect(self, order: ReadingOrder) -> None:
        """Fetch ahead in this order from now on; `SampleLoader` says it at each epoch."""
        self._order = order

    def _pieces_of(self, index: int) -> Iterator[Piece]:
        """What has to be fetched for an item."""
        row = self.rows[index]
        for field in self.fields:
            name = {"video": "videos", "mask": "masks", "valid": "valid"}.get(field)
            piece = None if name is None else self._piece(row, name)
            if piece is not None:
                yield piece

    def _piece(self, row: dict[str, Any], name: str) -> Piece | None:
        """Where a sample's part of an array is; None if it is drawn, or read in another way."""
        attempt = self._folders.attempt(row["set_id"])
        if self._pieces is None or attempt is None:
            return None
        return Piece(attempt, name, row["rank"], row["keep"], len(STORED[name].axes))

    def __getstate__(self) -> dict[str, Any]:
        """Each worker opens the arrays itself."""
        return self.__dict__ | {"_arrays": OrderedDict(), "_checksums": {}}

    @property
    def labels(self) -> list[str]:
        """Each item's label."""
        return self.rows.values("label")

    @property
    def sizes(self) -> set[tuple[int, int, int]]:
        """Frames, height and width of the items' videos; empty if something may change them."""
        if self._transform or self._augment or not set(self.fields) & {"video", *MASKED}:
            return set()
        return self.rows.distinct(("future", "height", "width"))

    def _field(self, field: str, row: dict[str, Any]) -> Any:
        """One value of an item."""
        if field == "video":
            frames = self._read(row, "videos", row["video_sha256"])  # (F, H, W, 3)
            # The axes move last: arithmetic on plain memory is several times faster.
            video = frames.float().div_(255).permute(0, 3, 1, 2)  # (F, 3, H, W)
            return self._transform(video) if self._transform else video
        if field in MASKED:
            name = "masks" if field == "mask" else field
            return self._read(row, name, mask_sha256(self._checksums_of(row["set_id"]), name, row))
        if field == "provenance":
            return {name: row[name] for name in PROVENANCE}
        return row[field]

    def _read(self, row: dict[str, Any], name: str, sha256: str) -> Tensor:
        """A sample's part of an array, compared with its checksum."""
        what = "video" if name == "videos" else name
        piece = self._piece(row, name)
        if piece is not None and self._pieces is not None:
            stored = STORED[name]
            values = self._pieces.read(piece, stored.dtype, stored.shape(row)[1:], sha256)
            if values is not None:
                return torch.from_numpy(values)
        try:
            array = self._open(row["set_id"], name)
            return torch.from_numpy(read_checked(array, what, row["rank"], sha256))
        except StoreError as error:
            raise StoreError(f"{row['sample_id']}: {error}; see `flawcast verify`") from error

    def _open(self, set_id: str, name: str) -> "zarr.Array[Any] | LayeredArray":
        """An open array; the metadata of those used last is kept."""
        key = (set_id, name)
        if key not in self._arrays:
            array = self._store.open_array(set_id, name)
            self._arrays[key] = array if isinstance(array, LayeredArray) else by_video(array)
        self._arrays.move_to_end(key)
        if len(self._arrays) > OPEN_ARRAYS:
            self._arrays.popitem(last=False)
        return self._arrays[key]

    def _checksums_of(self, set_id: str) -> dict[str, Any]:
        """Checksums of a set's masks, by rank."""
        if set_id not in self._checksums:
            all_of_set = self._store.row(set_id)["checksums"]
            names = (name for name in all_of_set if name.endswith(" by rank"))
            self._checksums[set_id] = {name: all_of_set[name] for name in names}
        return self._checksums[set_id]

    def _check_fields(self) -> None:
        """Refuse fields that items cannot hold, before a worker fails on them."""
        for field in set(self.fields) - {"video", "provenance", *MASKED}:
            if self.rows and field not in self.rows.names:
                raise StoreError(
                    f"fields: expected video, mask, valid, provenance or a column, got {field!r}; "
                    "columns are listed in storage/schema.py"
                )
            empty = self.rows.nulls(field) if self.rows else 0
            if empty:
                raise StoreError(
                    f"fields: {field} has no value in {empty} of {len(self.rows)} samples, and "
                    f'batches hold none; read it from `rows`, or ask where="{field} is not null"'
                )
        without = self.rows.nulls("masks") if self.rows else 0
        if without and set(self.fields) & set(MASKED):
            raise StoreError(
                f"fields: {without} of {len(self.rows)} samples have no masks; make them with "
                '`flawcast generate --masks`, or ask where="masks is not null"'
            )
