"""Columns of the two tables, and the arrays that a set's folder holds."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa

STORE_KEY = b"flawcast.store"  # metadata key of a query result: the store that it comes from
SET_ID = re.compile(r"set-[0-9a-f]{16,64}")
SAMPLE_ID = re.compile(rf"{SET_ID.pattern}-[0-9]{{3,}}")
ATTEMPT = re.compile(r"set-[0-9a-f]{16,64}\.[0-9a-f]{32}")  # one writer's name: set and nonce

_SHARED = [  # columns of a set that its sample rows repeat, so that queries need one table
    ("label", pa.string()),
    ("mode", pa.string()),
    ("clip_name", pa.string()),
    ("window_start", pa.int64()),
    ("apd", pa.float64()),
    ("hold_mae", pa.float64()),
    ("coherence", pa.float64()),  # null if the reference stands still
    ("samples", pa.int64()),
    ("keep", pa.int64()),
    ("past", pa.int64()),
    ("future", pa.int64()),
    ("height", pa.int64()),
    ("width", pa.int64()),
    ("keypoint_length", pa.int64()),
    ("split", pa.string()),
    ("onset", pa.int64()),
    ("fps", pa.float64()),
    ("clip_id", pa.string()),
    ("source_clip_id", pa.string()),
    ("source_clip_name", pa.string()),
    ("source_frame", pa.int64()),
    ("forecaster", pa.string()),
    ("backbone", pa.string()),
    ("weights_id", pa.string()),
    ("settings_id", pa.string()),
    ("settings", pa.string()),
    ("seed", pa.int64()),
    ("run_id", pa.string()),
    ("version", pa.string()),
    ("created_at", pa.timestamp("us")),  # UTC
]

SETS = pa.schema(
    [
        ("set_id", pa.string()),
        ("mae", pa.float64()),  # means over the kept samples
        ("best_mae", pa.float64()),
        ("ssim", pa.float64()),
        *_SHARED,
    ]
)

SAMPLES = pa.schema(
    [
        ("sample_id", pa.string()),
        ("set_id", pa.string()),
        ("index", pa.int64()),  # among the N futures
        ("rank", pa.int64()),  # among the kept futures, 0 is the best
        ("mae", pa.float64()),
        ("ssim", pa.float64()),
        ("diversity", pa.float64()),
        ("video_sha256", pa.string()),  # of the pixels, or of what they are drawn from
        *_SHARED,
    ]
)

COMMITS = pa.schema(  # a set's row as it is written; queries see the columns of SETS
    [
        *SETS,
        ("arrays", pa.string()),  # folder in arrays/
        ("samples_file", pa.string()),  # file in samples/
        ("checksums", pa.string()),  # JSON: SHA-256 of each array and of the samples file; DRAWN
        ("row_sha256", pa.string()),  # of all other columns
    ]
)


RUNS = pa.schema(
    [
        ("run_id", pa.string()),
        ("state", pa.string()),  # running, completed, failed, interrupted or lost
        ("started", pa.timestamp("us")),  # UTC
        ("ended", pa.timestamp("us")),  # null while the run lasts, and if it was lost
        ("last_seen", pa.timestamp("us")),  # last sign of life
        ("seconds", pa.float64()),  # from start to end or last sign of life
        ("planned", pa.int64()),  # sets
        ("made", pa.int64()),
        ("skipped", pa.int64()),  # existed already
        ("failed", pa.int64()),
        ("rejected", pa.int64()),  # clips
        ("reason", pa.string()),  # why it failed
        ("settings", pa.string()),  # JSON
        ("host", pa.string()),
        ("pid", pa.int64()),
        ("version", pa.string()),
    ]
)

REJECTS = pa.schema(
    [
        ("run_id", pa.string()),
        ("clip", pa.string()),
        ("reason", pa.string()),
        ("at", pa.timestamp("us")),  # UTC
    ]
)


REVIEWS = pa.schema(
    [
        ("sample_id", pa.string()),
        ("set_id", pa.string()),
        ("review", pa.string()),  # accepted, rejected, or none for a mark that was taken back
        ("note", pa.string()),
        ("reviewer", pa.string()),
        ("reviewed_at", pa.timestamp("us")),  # UTC
        ("newest", pa.bool_()),  # whether it is the one that counts for its sample
    ]
)

VERDICTS = pa.schema(  # the newest reviews, which count
    [("sample_id", pa.string()), ("set_id", pa.string()), ("verdict", pa.string())]
)

FORGOTTEN = pa.schema(
    [
        ("set_id", pa.string()),
        ("forgotten_at", pa.timestamp("us")),  # UTC
        ("note", pa.string()),
        ("undoable", pa.bool_()),  # gc has not begun to remove it
    ]
)

MASKS = pa.field("masks", pa.string())  # their kind, from the set's settings; null without masks
DEFECT_COLUMNS = [  # of a set's defect of looks, from its settings; null without one
    ("motion_label", pa.string()),  # of the clip that gave the motion; never null
    ("defect_type", pa.string()),  # null for a placebo, too
    ("defect_source", pa.string()),  # "procedural", or an item of a bank
    ("defect_size", pa.float64()),  # of the part's long side
    ("defect_angle", pa.float64()),  # degrees from that side
    ("defect_x", pa.float64()),  # its centre in the part's terms
    ("defect_y", pa.float64()),
    ("defect_frame_x", pa.float64()),  # the same in the source frame, shares of its sides
    ("defect_frame_y", pa.float64()),
    ("defect_severity", pa.float64()),
    ("defect_contrast", pa.float64()),  # contrast-to-noise: in the source, of a sample in its video
    ("defect_onset", pa.int64()),  # future frame in which it begins; 0 for all frames
    ("defect_seed", pa.int64()),
    ("placebo", pa.bool_()),  # never null
]
ANSWERS = {  # columns as queries see them
    "sets": pa.schema(
        [*SETS, MASKS, *DEFECT_COLUMNS, ("accepted", pa.int64()), ("rejected", pa.int64())]
    ),
    "samples": pa.schema(
        [*SAMPLES, MASKS, *DEFECT_COLUMNS, ("review", pa.string())]
    ),  # "none" without a review, never null
    "runs": RUNS,
    "rejects": REJECTS,
    "reviews": REVIEWS,
    "forgotten": FORGOTTEN,
}


class StoredArray(NamedTuple):
    """Type and axes of one array; an axis is a column of the set's row, or a number."""

    dtype: str
    axes: tuple[str | int, ...]

    def shape(self, row: Mapping[str, Any]) -> tuple[int, ...]:
        """The shape that the array of a set must have."""
        sizes = {**row, **row.get("checksums", {}).get(DRAWN, {})}
        return tuple(sizes[axis] if isinstance(axis, str) else axis for axis in self.axes)


ARRAYS = {
    "videos": StoredArray("uint8", ("keep", "future", "height", "width", 3)),
    "keypoints": StoredArray("float32", ("samples", "future", "keypoint_length")),
    "mae": StoredArray("float32", ("samples",)),
    "past": StoredArray("uint8", ("past", "height", "width", 3)),
    "reference": StoredArray("uint8", ("future", "height", "width", 3)),
    "source": StoredArray("uint8", ("height", "width", 3)),
}

_MAPS = ("keep", "future", "height", "width")
MASK_ARRAYS = {  # only in sets that were made with masks: both or neither
    "masks": StoredArray("uint8", _MAPS),
    "valid": StoredArray("bool", _MAPS),
}
LAYER_ARRAYS = {  # instead of videos, in sets that are kept as what they are drawn from
    "layers": StoredArray("uint8", ("layer_bytes",)),
    "drawn_keypoints": StoredArray("float32", ("keep", "future", "keypoint_length")),
    "noise_seeds": StoredArray("int64", ("keep",)),
    "probe": StoredArray("uint8", ("keep", "probe_height", "probe_width", 3)),
}
STORED = {**ARRAYS, **MASK_ARRAYS, **LAYER_ARRAYS}
BY_VIDEO = ("videos", *MASK_ARRAYS)  # arrays with one chunk per video, to read single videos
GENERATION = "generation"  # key of a row's checksums, in rows of sets that were made again
DRAWN = "drawn"  # key of a row's checksums: how the videos are drawn that it has no pixels of
