"""The built-in production line: seeded, labelled clips with masks, drawn without any download."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import SettingsError
from flawcast.configs.identity import derive_seed
from flawcast.generators.clips.video_files import write_ffv1
from flawcast.generators.line import geometry
from flawcast.generators.line.damage import draw_damage
from flawcast.generators.line.looks import LOOKS, Look, look_of
from flawcast.generators.line.motion import DEFECTS, Ride, draw_motion
from flawcast.generators.line.parts import Part, draw_part
from flawcast.generators.line.scene import LineScene

STATES: tuple[str, ...] = ("normal", *DEFECTS)
SECONDS = 2.0  # duration of a clip; more frames give a higher frame rate
PLAIN, TEXTURED = LOOKS
NOISE = LOOKS[PLAIN].noise
BORDER = 0.012  # free border that the part keeps, as a fraction of the picture
TEST_EVERY = 4  # every fourth clip of each label is a test clip


@dataclass(frozen=True)
class LineClip:
    """A clip of the built-in line and its ground truth.

    Args:
        name: File name without suffix.
        label: One of `STATES`.
        frames: RGB uint8, (T, H, W, 3).
        part_masks: Where the part is, bool, (T, H, W).
        defect_masks: Where something is wrong, bool, (T, H, W); empty before the onset.
        onset: First frame that shows the defect; None for a normal clip.
        fps: Frames per second.
        seed: Seed of the clip.
    """

    name: str
    label: str
    frames: NDArray[np.uint8]
    part_masks: NDArray[np.bool_]
    defect_masks: NDArray[np.bool_]
    onset: int | None
    fps: float
    seed: int


def draw_clip(
    label: str, seed: int, frames: int = 24, size: int | None = None, look: str = PLAIN
) -> LineClip:
    """Draw one clip.

    The same label and seed show the same scene at every size and number of frames.

    Args:
        label: One of `STATES`.
        seed: Seed of product, colours, light and the course of the defect.
        frames: Number of frames T, at least 2.
        size: Width in pixels; None for the usual one of the look. Plain pictures are square, 64
            to 256 pixels wide, textured ones 3:2, 192 to 960.
        look: "plain", or "textured" for parts of many details that enter and leave the picture.

    Raises:
        SettingsError: If the label or look is unknown, or a number is out of range.
    """
    kind = look_of(look)
    size = kind.size if size is None else size
    scene = build_scene(label, seed, frames, size, look)
    rows = kind.rows(size)
    layers = [scene.draw(frame) for frame in range(frames)]
    sensor = np.random.default_rng([seed, STATES.index(label), size])
    clean = np.stack([image[rows] for image, _, _ in layers])  # (T, H, W, 3)
    noisy = clean + kind.noise * sensor.standard_normal(clean.shape, np.float32)
    begun = np.flatnonzero(scene.motion.begun())
    return LineClip(
        name=f"{label}_{seed}",
        label=label,
        frames=np.clip(np.round(noisy * 255), 0, 255).astype(np.uint8),
        part_masks=np.stack([mask[rows] for _, mask, _ in layers]) > 0,
        defect_masks=np.stack([mask[rows] for _, _, mask in layers]) > 0,
        onset=int(begun[0]) if len(begun) else None,
        fps=frames / SECONDS,
        seed=seed,
    )


def build_scene(label: str, seed: int, frames: int, size: int, look: str = PLAIN) -> LineScene:
    """Everything of a clip before it is drawn, as a square of which a look may show some rows.

    Arguments and errors are those of `draw_clip`.
    """
    kind = look_of(look)
    _check(label, frames, size, kind)
    rng = np.random.default_rng([seed, STATES.index(label)])
    part, surroundings = draw_part(rng, kind.kinds, kind.areas), kind.surroundings(rng)
    motion = draw_motion(label, rng, frames, kind.way)
    damage = draw_damage(rng, part, motion.chip) if label == "crack" else None
    part = _fit(part, motion) if kind.whole else part
    return LineScene(part, surroundings, motion, damage, size)


def draw_line(
    clips_per_state: int,
    seed: int,
    frames: int = 24,
    size: int | None = None,
    states: tuple[str, ...] = STATES,
    look: str = PLAIN,
) -> Iterator[LineClip]:
    """Draw the same number of clips of every state, with the states in turn.

    Args:
        clips_per_state: Number of clips of each state.
        seed: Seed of all clips; clip i of a state does not depend on the other clips.
        frames: Number of frames T of each clip.
        size: As in `draw_clip`.
        states: Which of `STATES` to draw.
        look: As in `draw_clip`.

    Raises:
        SettingsError: If a state is unknown or a number is out of range.
    """
    if clips_per_state < 1:
        raise SettingsError(f"clips_per_state: expected at least 1, got {clips_per_state}")
    for number in range(clips_per_state):
        for label in states:
            clip = draw_clip(label, derive_seed(seed, "line", label, number), frames, size, look)
            yield replace(clip, name=f"{label}_{number:03d}")


def write_line(folder: Path, clips: Iterable[LineClip], test_every: int = TEST_EVERY) -> Path:
    """Write clips, masks and labels.csv, losslessly and byte for byte the same every time.

    Masks hold 0 for background, 128 for the part and 255 for the defect. In every `test_every`
    clips of a label, the second is marked "test" and the others "train".

    Args:
        folder: Folder to write to; it is created if absent.
        clips: Clips of `draw_line`.
        test_every: Number of clips of a label per test clip.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "masks").mkdir(exist_ok=True)
    counts: Counter[str] = Counter()
    rows: list[tuple[str, str, str, int | str, str]] = []
    for clip in clips:
        file, mask = f"{clip.name}.mkv", f"masks/{clip.name}_mask.mkv"
        split = "test" if counts[clip.label] % test_every == 1 else "train"
        counts[clip.label] += 1
        levels = np.where(clip.part_masks, 128, 0)
        levels[clip.defect_masks] = 255
        write_ffv1(folder / file, clip.frames, clip.fps)
        write_ffv1(folder / mask, levels.astype(np.uint8), clip.fps)
        rows.append((file, clip.label, split, "" if clip.onset is None else clip.onset, mask))
    _remove_others(folder, {file for file, *_ in rows})
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("file", "label", "split", "onset", "mask"))
        writer.writerows(rows)
    return folder


def _remove_others(folder: Path, written: set[str]) -> None:
    """Remove clips, with their masks, of an earlier, larger line of this folder."""
    for path in folder.glob("*_[0-9]*.mkv"):
        mask = folder / "masks" / f"{path.stem}_mask.mkv"
        ours = path.stem.rpartition("_")[0] in STATES and mask.is_file()
        if ours and path.name not in written:
            path.unlink()
            mask.unlink()


def _check(label: str, frames: int, size: int, look: Look) -> None:
    """Refuse settings that cannot be drawn."""
    if label not in STATES:
        raise SettingsError(f"label: expected one of {', '.join(STATES)}; got {label!r}")
    low, high = look.sizes
    if not low <= size <= high:
        raise SettingsError(f"size: expected {low} to {high} pixels, got {size}; resize afterwards")
    if frames < 2:
        raise SettingsError(f"frames: expected at least 2, got {frames}; ask for more")


def _fit(part: Part, motion: Ride) -> Part:
    """Keep the part whole in the picture: shrink it if it must be, then move the ride as needed.

    A ride that fits stays where it is, so that its start says nothing about its end.
    """
    for _ in range(20):
        low, high = _extent(part, motion)
        room = 1 - 2 * BORDER - (high - low)
        if room.min() >= 0:
            break
        part = replace(part, half=part.half * 0.96, height=part.height * 0.96)
    for _ in range(4):  # perspective makes one move inexact
        low, high = _extent(part, motion)
        across, down = np.clip(0, BORDER - low, 1 - BORDER - high)
        motion.x += across
        motion.y += down
    return part


def _extent(part: Part, motion: Ride) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smallest and largest picture coordinates that the part takes in the whole clip."""
    plane = part.outlines[0].astype(np.float64) * part.half
    corners = []
    for frame in range(len(motion.x)):
        pose = geometry.pose_at(part, motion, frame)
        for height in (0.0, part.height):
            corners.append(geometry.to_picture(geometry.to_world(pose, plane, height)))
    points = np.concatenate(corners)
    return points.min(axis=0), points.max(axis=0)
