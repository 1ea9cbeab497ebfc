"""The contact sheet: one picture that shows past, reference and kept futures of many sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from flawcast.configs.errors import SettingsError, ShapeError
from flawcast.configs.shapes import expect_shape
from flawcast.configs.spread import spread_ends
from flawcast.flows.pictures.thumbnails import shrink_frames
from flawcast.selection.metrics import pairwise_displacements

MOST_ROWS = 24
PAGE_WIDTH = 3000  # kept by showing frames smaller, down to SMALLEST
NARROWEST = 960  # leaves room for the text where few frames are shown
SMALLEST, LARGEST = 64, 128  # longer side of a frame as shown, in pixels
MARGIN, GROUP_GAP, FRAME_GAP = 24, 14, 2
HEADER, ROW_TEXT, ROW_GAP = 150, 38, 18
PAPER, INK, FADED, LINE = "#ffffff", "#1c1f24", "#676d75", "#dfe2e6"
OUTLINE = (255, 60, 200)  # of masks, RGB
PAST, REFERENCE, FUTURE = "#8a919a", "#2f8f5b", "#3a6fc4"


@dataclass(frozen=True)
class SheetRow:
    """One sample set as the contact sheet shows it.

    Args:
        title: What the set is, for instance "jam · reconstruction".
        subtitle: Its scores, for instance "MAE 0.021   APD 0.034   SSIM 0.91".
        past: The observed frames, RGB uint8, (P, H, W, 3).
        reference: The real future, RGB uint8, (F, H, W, 3).
        kept: The kept futures, best first, RGB uint8, (K, F, H, W, 3).
        masks: The masks to outline on the kept futures, (K, F, H, W); None for none.
    """

    title: str
    subtitle: str
    past: NDArray[np.uint8]
    reference: NDArray[np.uint8]
    kept: NDArray[np.uint8]
    masks: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class _Group:
    """Columns under one heading: the past, the reference or one kept future."""

    heading: str
    colour: str
    frames: tuple[int, ...]  # indices into the video
    offsets: tuple[str, ...]  # the same counted from the last observed frame, as text


@dataclass(frozen=True)
class _Layout:
    """Sizes in pixels and the groups of columns, the same for all rows."""

    groups: tuple[_Group, ...]
    lefts: tuple[int, ...]  # of each group
    cell: tuple[int, int]  # width and height of a frame as shown
    width: int

    @property
    def row_height(self) -> int:
        """From the top of one row to the top of the next."""
        return ROW_TEXT + self.cell[1] + ROW_GAP

    def column(self, group: int, position: int) -> int:
        """Left edge of a frame."""
        return self.lefts[group] + position * (self.cell[0] + FRAME_GAP)


def contact_sheet(rows: Sequence[SheetRow], path: Path, times: int = 4, futures: int = 5) -> Path:
    """Draw sample sets below one another: past, reference and some kept futures of each.

    The futures shown are the best one and those that differ most from the ones already shown, so
    that a glance tells whether the kept futures are plausible and whether they are different.

    Args:
        rows: The sets, all with the same P, F, H and W. Of more than 24, 24 are shown, evenly
            spread; the sheet says so.
        path: The PNG to write; its folder is made.
        times: How many frames of each video are shown.
        futures: How many futures of each set are shown.

    Returns:
        `path`.

    Raises:
        SettingsError: If there is nothing to show.
        ShapeError: If sets differ in P, F, H or W.
    """
    if not rows or times < 1 or futures < 1:
        raise SettingsError(
            "contact sheet: expected at least one set, time and future, got "
            f"{len(rows)}, {times} and {futures}; generate a set or raise the number"
        )
    shown = [rows[index] for index in spread_ends(len(rows), MOST_ROWS)]
    layout = _lay_out(shown, times, futures)
    height = HEADER + layout.row_height * len(shown) + MARGIN
    page = Image.new("RGB", (layout.width, height), PAPER)
    _draw_header(page, layout, len(shown), len(rows))
    for position, row in enumerate(shown):
        _draw_row(page, layout, row, HEADER + position * layout.row_height)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path, "PNG")
    return path


def spread_futures(kept: NDArray[np.uint8], count: int) -> list[int]:
    """Choose futures that look different: the first, then always the farthest from the chosen.

    Args:
        kept: Futures, best first, RGB uint8, (K, F, H, W, 3).
        count: How many to choose; all K if there are fewer.

    Returns:
        Distinct indices in the order in which they were chosen.
    """
    frames = kept.reshape(-1, *kept.shape[2:])
    small = shrink_frames(frames, 24, 24)  # so that noise does not count as a difference
    distances = pairwise_displacements(small.reshape(*kept.shape[:2], 24, 24, 3))
    chosen = [0]
    while len(chosen) < min(count, len(kept)):
        nearest = distances[chosen].min(axis=0)
        nearest[chosen] = -1  # not again, even where all are equal
        chosen.append(int(nearest.argmax()))
    return chosen


def _lay_out(rows: Sequence[SheetRow], times: int, futures: int) -> _Layout:
    """Choose the columns, and the size of a frame that lets them fit the page."""
    past, future, height, width = _common_sizes(rows)
    groups = _groups(past, future, times, min(futures, max(len(row.kept) for row in rows)))
    columns = sum(len(group.frames) for group in groups)
    gaps = GROUP_GAP * (len(groups) - 1) + FRAME_GAP * (columns - len(groups))
    room = (PAGE_WIDTH - 2 * MARGIN - gaps) // columns
    scale = min(max(room, SMALLEST), LARGEST) / max(height, width)
    cell = max(1, round(width * scale)), max(1, round(height * scale))
    widths = [len(group.frames) * (cell[0] + FRAME_GAP) - FRAME_GAP for group in groups]
    lefts = [MARGIN + sum(widths[:index]) + index * GROUP_GAP for index in range(len(groups))]
    return _Layout(groups, tuple(lefts), cell, max(lefts[-1] + widths[-1] + MARGIN, NARROWEST))


def _common_sizes(rows: Sequence[SheetRow]) -> tuple[int, int, int, int]:
    """P, F, H and W, which all rows share because they share the columns."""
    common = set()
    for row in rows:
        sizes = expect_shape("past", row.past, "P H W 3")
        sizes |= expect_shape("reference", row.reference, f"F {sizes['H']} {sizes['W']} 3")
        expect_shape("kept", row.kept, "K {F} {H} {W} 3".format_map(sizes))
        common.add((sizes["P"], sizes["F"], sizes["H"], sizes["W"]))
    if len(common) > 1:
        raise ShapeError(f"rows: expected the same (P, F, H, W) for all sets, got {sorted(common)}")
    return common.pop()


def _groups(past: int, future: int, times: int, futures: int) -> tuple[_Group, ...]:
    """Headings and times: the past ends at the last observed frame, the future at its last."""
    few, some = min(times, past), min(times, future)
    seen = tuple(past - 1 - index * past // few for index in reversed(range(few)))
    ahead = tuple((index + 1) * future // some - 1 for index in range(some))
    before = tuple(f"t-{past - 1 - frame}" if frame < past - 1 else "t0" for frame in seen)
    after = tuple(f"t+{frame + 1}" for frame in ahead)
    return (
        _Group("past", PAST, seen, before),
        _Group("reference", REFERENCE, ahead, after),
        *(_Group(f"future {index + 1}", FUTURE, ahead, after) for index in range(futures)),
    )


def _draw_header(page: Image.Image, layout: _Layout, shown: int, total: int) -> None:
    """Write what the sheet shows, and the headings of the columns."""
    draw = ImageDraw.Draw(page)
    sets = f"{total} sample sets" if total != 1 else "1 sample set"
    title = f"{sets}, {shown} of them shown, evenly spread" if shown < total else sets
    _write(draw, (MARGIN, 16), title, 28, INK, layout.width - 2 * MARGIN)
    note = (
        "t0 is the last observed frame. Future 1 is the best of the kept futures, "
        "the others are the most different ones."
    )
    _write(draw, (MARGIN, 54), note, 18, FADED, layout.width - 2 * MARGIN)
    width, _ = layout.cell
    for index, (group, left) in enumerate(zip(layout.groups, layout.lefts, strict=True)):
        right = layout.column(index, len(group.frames) - 1) + width
        _write(draw, (left, 90), group.heading, 20, group.colour, right - left)
        draw.rectangle((left, 116, right - 1, 118), fill=group.colour)
        for position, offset in enumerate(group.offsets):
            centre = layout.column(index, position) + width / 2
            draw.text((centre, 134), offset, FADED, _font(17), anchor="mm")


def _draw_row(page: Image.Image, layout: _Layout, row: SheetRow, top: int) -> None:
    """Write the title of one set and paste its frames."""
    draw = ImageDraw.Draw(page)
    draw.line((MARGIN, top, page.width - MARGIN - 1, top), fill=LINE)
    room = page.width - 2 * MARGIN
    used = _write(draw, (MARGIN, top + 8), row.title, 20, INK, room)
    _write(draw, (MARGIN + used + 24, top + 9), row.subtitle, 18, FADED, room - used - 24)
    chosen = spread_futures(row.kept, len(layout.groups) - 2) if len(row.kept) else []
    videos = [row.past, row.reference, *(row.kept[index] for index in chosen)]
    for group, video in enumerate(videos):
        for position, frame in enumerate(layout.groups[group].frames):
            shown = _fit(video[frame], layout.cell)
            if row.masks is not None and group >= 2:
                shown = outlined(shown, row.masks[chosen[group - 2], frame])
            page.paste(Image.fromarray(shown), (layout.column(group, position), top + ROW_TEXT))


def _fit(frame: NDArray[np.uint8], cell: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize a frame to the size that is shown."""
    shrinks = cell[1] < frame.shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(frame, cell, interpolation=how), np.uint8)


def outlined(shown: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Draw a mask's outline on a frame as shown."""
    size = (shown.shape[1], shown.shape[0])
    fitted = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    lines, _ = cv2.findContours(fitted, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    drawn = cv2.drawContours(shown.copy(), lines, -1, OUTLINE, 1)
    return np.asarray(drawn, np.uint8)


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    size: int,
    colour: str,
    room: int,
) -> int:
    """Write one line, shortened to the room there is, and return its width."""
    font = _font(size)
    short = text
    while short and font.getlength(short if short == text else f"{short}...") > room:
        short = short[:-1]
    short = short if short == text else f"{short.rstrip()}..."
    draw.text(place, short, colour, font)
    return round(font.getlength(short))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that comes with Pillow, so that sheets look alike everywhere."""
    return ImageFont.load_default(size)
