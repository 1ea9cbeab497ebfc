"""Real clips at their own size: layers beside a model's decoder, by true keypoints."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from flawcast.configs.clip_settings import LARGEST, ClipSettings
from flawcast.configs.errors import FlawcastError, one_line
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, Row, alone
from flawcast.flows.benchmarks.detail_drawings import Video, draw_by_keypoints, draw_second_half
from flawcast.flows.benchmarks.detail_figures import figures, mean_row, row_of
from flawcast.flows.benchmarks.detail_sheet import write_sheet
from flawcast.flows.benchmarks.timing import machine
from flawcast.generators.clips import ClipEntry, Reject, list_clips, read_entry
from flawcast.generators.line.clips import TEXTURED, draw_line
from flawcast.generators.model import Model, find_model, load_model

FRAMES = 24  # of a clip, its first ones


@BENCHMARKS.register("detail")
@alone("its table is about clips")
def detail(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """How well real parts are drawn at the clips' own size and aspect, nothing cropped.

    Sources, plate and belt are cut from even frames, errors are those of the odd ones. One clip
    that cannot be used is a row with a remark. Without clips, the textured line is drawn.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)  # times are those of one core
    model = load_model(find_model(request.model))
    rejects: list[Reject] = []
    clips = _clips(request, rejects)
    found: list[dict[str, float]] = []
    rows: list[Row] = []
    for done, (name, read) in enumerate(clips.items(), start=1):
        size = ""
        try:
            frames = read()
            size = f"{frames.shape[2]}x{frames.shape[1]}"
            numbers, remark = _measured(name, frames, model, request.pictures)
            found.append(numbers)
        except (FlawcastError, cv2.error, np.linalg.LinAlgError) as error:
            numbers, remark = {}, one_line(error).removeprefix(f"{name}: ")
        rows.append(row_of(name, size, numbers, remark))
        on_done(done, len(clips))
    rows += [row_of(reject.name, "", {}, reject.reason) for reject in rejects]
    return Report(
        title=f"detail: {len(found)} clips at their own size, {request.model} beside layers",
        rows=(*rows, mean_row(found)),
        note=f"{_how_to_read(request.model, model)} {machine()}",
    )


def read_native(entry: ClipEntry, most: int = FRAMES) -> Video:
    """The first frames of a clip at their own size, RGB, (T, H, W, 3).

    Raises:
        ClipError: If it cannot be read whole, or its frames differ in size.
    """
    return read_entry(entry, ClipSettings(size=LARGEST, fit="keep"), most).frames


def _how_to_read(name: str, model: Model) -> str:
    """What the columns say, and what is held out."""
    size = model.clip_settings().size
    return (
        f"MAE on the [0, 1] scale, of the odd frames among the first {FRAMES}. Held out: plate, "
        "belt and sources are made from the even frames alone. Not held out: tracks and part "
        "masks, which all frames give. copy: the first frame. decoder: "
        f"{name} at {size}x{size} by its own keypoints, enlarged; it starts from the frame that "
        "layers cuts its first source from. native: that source's own pixels, moved by the same "
        "model's dense motion. part: MAE on the tracked part. sharpness: gradient "
        "energy there over the truth's. ms: CPU time per frame for drawing alone. coverage: share "
        "of the moving area that tracks explain. second half: only the first half is read, then "
        "the part is followed and drawn; its MAE over that of repeating the last frame read. "
        "The mean is over the clips in which a part was found."
    )


def _clips(request: BenchmarkRequest, rejects: list[Reject]) -> dict[str, Callable[[], Video]]:
    """How each clip is read, by its name; those that cannot be listed are added to the rejects."""
    if request.clips is not None:
        entries = list_clips(request.clips, rejects.append)
        return {entry.name: partial(read_native, entry) for entry in entries}
    line = draw_line(request.clips_per_state, request.seed, FRAMES, look=TEXTURED)
    return {clip.name: partial(np.copy, clip.frames) for clip in line}


def _measured(
    name: str, frames: Video, model: Model, pictures: Path | None
) -> tuple[dict[str, float], str]:
    """Figures of a clip, and what a user should know of it; its sheet is written."""
    settings: ClipSettings = model.clip_settings().model_copy(update={"fit": "stretch"})
    drawn = draw_by_keypoints(frames, model.backbone, settings)
    half = draw_second_half(frames)
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        write_sheet(pictures / f"{name.replace('/', '-')}.png", drawn, half)
    seen = drawn.observation
    return figures(drawn, half), "; ".join(filter(None, [seen.failure, *seen.notes]))
