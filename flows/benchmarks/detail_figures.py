"""Figures of drawn clips beside the real ones: errors, likeness and sharpness."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.flows.benchmarks.base import Row
from flawcast.flows.benchmarks.detail_drawings import Drawn, Masks, SecondHalf, Video, part_masks
from flawcast.selection.metrics import mae, ssim

SMALLEST_PART = 50  # pixels: a part that shows fewer is not measured
UNKNOWN = ""  # a figure that a clip does not have
RATIO = "layers / copy"
COLUMNS = (
    *("copy", "plate", "decoder", "native", "layers", RATIO),
    *("part, decoder", "part, native", "part, layers"),
    *("SSIM, decoder", "SSIM, native", "SSIM, layers"),
    *("sharpness, decoder", "sharpness, native", "sharpness, layers"),
    *("ms, decoder", "ms, native", "ms, layers", "coverage", "second half"),
)


def figures(drawn: Drawn, second_half: SecondHalf | None) -> dict[str, float]:
    """Figures of one clip, on the frames whose pixels no drawing has used.

    Args:
        drawn: The clip.
        second_half: Its second half as the first half foretells it; None where that failed.

    Returns:
        Figures by column; those that do not exist are absent.
    """
    scored, seen = drawn.scored, drawn.observation
    truth = drawn.truth[scored]
    part = part_masks(seen, truth.shape[1:3])[scored]
    found = {
        "copy": _still_error(drawn.truth[0], truth),
        "plate": _still_error(seen.plate.image, truth),
        "ms, decoder": drawn.decoder_ms,
        "coverage": seen.coverage,
        "ms, native": drawn.native_ms,
        **_of_drawing("decoder", drawn.decoder[scored], truth, part),
        **_of_drawing("native", drawn.native[scored], truth, part),
    }
    if drawn.layers is not None:
        found |= _of_drawing("layers", drawn.layers[scored], truth, part)
        found |= {"ms, layers": drawn.layers_ms}
        found |= {RATIO: found["layers"] / max(found["copy"], 1e-6)}
    if second_half is not None:
        found |= {"second half": error_over_copy(second_half, drawn.truth)}
    return found


def error_over_copy(half: SecondHalf, truth: Video) -> float:
    """MAE of a second half over that of repeating the last frame seen."""
    later, last = truth[half.past :], truth[half.past - 1]
    drawn = float(mae(half.layers[None, half.past :], later)[0])
    return drawn / max(_still_error(last, later), 1e-6)


def row_of(name: str, size: str, found: dict[str, float], remark: str) -> Row:
    """A row of the report; figures that a clip does not have are empty."""
    numbers = {column: found.get(column, UNKNOWN) for column in COLUMNS}
    return {"clip": name, "size": size, **numbers, "remark": remark}


def mean_row(clips: Sequence[dict[str, float]]) -> Row:
    """Mean of every figure over the clips with a part; the ratio is that of the means."""
    drawn = [clip for clip in clips if RATIO in clip]
    means = {}
    for column in COLUMNS:
        values = [clip[column] for clip in drawn if column in clip]
        if values:
            means[column] = float(np.mean(values))
    if drawn:
        means[RATIO] = means["layers"] / max(means["copy"], 1e-6)
    return row_of(f"mean of {len(drawn)}", "", means, "")


def sharpness(drawn: Video, truth: Video, part: Masks) -> float:
    """Gradient energy on the part over that of the real frames.

    Args:
        drawn: RGB, (F, H, W, 3).
        truth: RGB, (F, H, W, 3).
        part: Where the part is, (F, H, W), not empty.

    Returns:
        1 for a drawing as sharp as the camera's picture, below 1 for a softer one.
    """
    energies = [
        sum(float(_gradient_energy(frame)[mask].mean()) for frame, mask in pairs)
        for pairs in (zip(drawn, part, strict=True), zip(truth, part, strict=True))
    ]
    return energies[0] / max(energies[1], 1e-6)


def _of_drawing(name: str, drawn: Video, truth: Video, part: Masks) -> dict[str, float]:
    """Figures of one way of drawing; those of the part only if a frame shows enough of it."""
    video = drawn[None]
    found = {name: float(mae(video, truth)[0]), f"SSIM, {name}": float(ssim(video, truth)[0])}
    shown = part.sum((1, 2)) >= SMALLEST_PART
    if shown.any():
        pairs = zip(drawn[shown], truth[shown], part[shown], strict=True)
        errors = [_errors(one, two)[mask].mean() for one, two, mask in pairs]
        found[f"part, {name}"] = float(np.mean(errors))
        found[f"sharpness, {name}"] = sharpness(drawn[shown], truth[shown], part[shown])
    return found


def _still_error(still: Video, truth: Video) -> float:
    """MAE of one frame (H, W, 3) shown all the time: the baseline of copying."""
    return float(mae(np.broadcast_to(still, (1, *truth.shape)), truth)[0])


def _errors(drawn: Video, truth: Video) -> NDArray[np.float64]:
    """Absolute error of each pixel on the [0, 1] scale: (H, W, 3) -> (H, W)."""
    return np.asarray(cv2.absdiff(drawn, truth)).mean(-1) / 255


def _gradient_energy(frame: Video) -> NDArray[np.float32]:
    """Squared slope of the brightness: (H, W, 3) -> (H, W)."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return np.asarray(across**2 + down**2, np.float32)
