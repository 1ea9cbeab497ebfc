"""Parts that defects are measured on: of the built-in line with true motion, and of real clips."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import FlawcastError
from flawcast.configs.identity import derive_seed
from flawcast.flows.benchmarks.detail import read_native
from flawcast.generators.backbones.layers import observe
from flawcast.generators.backbones.layers.background import enlarged
from flawcast.generators.backbones.layers.mattes import soft_matte
from flawcast.generators.backbones.layers.observation import background_at
from flawcast.generators.backbones.layers.parts import carried
from flawcast.generators.clips.listing import list_clips
from flawcast.generators.defects.host import Host, measure_host
from flawcast.generators.line import geometry
from flawcast.generators.line.clips import NOISE, build_scene, draw_clip

STATES = ("normal", "slip", "wobble", "topple")  # in these the part stays flat: exact homographies
FRAMES, SIZE = 16, 256
COMPARED = (0, 4, 7, 10, 13)  # frames in which masks are compared; the first is the source
SOLID = 0.9  # of a matte, from which a pixel belongs to the part

Homography = NDArray[np.float64]


@dataclass(frozen=True)
class MovingHost:
    """A part of the line in several frames, with its true motion.

    Args:
        name: Label and seed of the clip.
        hosts: The part in each of the compared frames; the first one is the source.
        motions: From pixels of the source to those of each frame, (3, 3).
    """

    name: str
    hosts: tuple[Host, ...]
    motions: tuple[Homography, ...]


def line_host(label: str, seed: int, size: int = SIZE) -> MovingHost:
    """Draw a part of the built-in line with what is true of it.

    Args:
        label: One of `STATES`.
        seed: Seed of the clip.
        size: Height and width, pixels.
    """
    clip = draw_clip(label, seed, FRAMES, size)
    scene = build_scene(label, seed, FRAMES, size)
    pixels = np.array([[size, 0, -0.5], [0, size, -0.5], [0, 0, 1.0]])
    rng = np.random.default_rng([seed, size])
    source: Host | None = None
    hosts, faces = [], []
    for index in COMPARED:
        behind = scene.background(index)
        behind = behind + NOISE * rng.standard_normal(behind.shape, np.float32)
        background = np.clip(behind * 255, 0, 255).round().astype(np.uint8)
        frame, part = clip.frames[index], clip.part_masks[index]
        source = source or measure_host(frame, part, background)
        hosts.append(replace(source, picture=frame, part=part, background=background))
        pose = geometry.pose_at(scene.part, scene.motion, index)
        faces.append(pixels @ geometry.face_homography(pose, scene.part.height))
    back = np.linalg.inv(faces[0])
    return MovingHost(clip.name, tuple(hosts), tuple(face @ back for face in faces))


def line_hosts(clips_per_state: int, seed: int) -> Iterator[MovingHost]:
    """Parts of the line, of each flat state in turn."""
    for number in range(clips_per_state):
        for label in STATES:
            yield line_host(label, derive_seed(seed, "defects", label, number))


def real_hosts(clips: Path) -> Iterator[tuple[str, Host]]:
    """The parts that `layers` finds in real clips; clips without one are passed over."""
    for entry in list_clips(clips):
        try:
            frames = read_native(entry)
            seen = observe(frames)
            if not seen.tracks or seen.failure:
                continue
            track = seen.tracks[0]
            mask = enlarged(carried(track.mask, track), frames.shape[1:3])[track.source]
            background = background_at(seen, track.source)
            frame = frames[track.source]
            matte = soft_matte(frame, background, mask, shadow=False)
            yield Path(entry.name).stem, measure_host(frame, matte > SOLID, background)
        except (FlawcastError, cv2.error, np.linalg.LinAlgError):
            continue  # `benchmark detail` says what is wrong with it
