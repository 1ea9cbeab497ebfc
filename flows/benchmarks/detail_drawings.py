"""A real clip as the decoder and as layers draw it by its true keypoints, at its own size."""

import time
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.flows.train.second_half import FEWEST_PAST, SOURCES
from flawcast.generators.backbones import MotionBackbone, keypoints_of
from flawcast.generators.backbones.layers import appearance, best_sources, observe, render
from flawcast.generators.backbones.layers.background import enlarged
from flawcast.generators.backbones.layers.observation import (
    Observation,
    follow_on,
    with_pixels_of,
)
from flawcast.generators.backbones.layers.parts import carried
from flawcast.generators.clips.frames import resize_frame
from flawcast.generators.rendering.native import NativeDetail
from flawcast.generators.rendering.scene import Scene

Video = NDArray[np.uint8]
Masks = NDArray[np.bool_]


@dataclass(frozen=True)
class Drawn:
    """A clip as the ways to be compared draw it.

    Args:
        truth: Real frames, RGB, (T, H, W, 3).
        observation: Tracks of all frames, pixels of the even ones.
        decoder: The model's own drawing, enlarged, (T, H, W, 3).
        native: The source's own pixels moved by the model's dense motion, (T, H, W, 3).
        layers: Parts moved over the plate, (T, H, W, 3); None where no part could be followed.
        decoder_ms: CPU time per frame of the decoder.
        native_ms: CPU time per frame of the model's motion and decoder at native size.
        layers_ms: CPU time per frame of layers.
    """

    truth: Video
    observation: Observation
    decoder: Video
    native: Video
    layers: Video | None
    decoder_ms: float
    native_ms: float
    layers_ms: float

    @property
    def scored(self) -> list[int]:
        """The frames whose pixels no drawing has used."""
        return list(range(1, len(self.truth), 2))


@dataclass(frozen=True)
class SecondHalf:
    """The second half of a clip, drawn by what the first half shows.

    Args:
        past: How many frames were seen.
        plate: Background by the first half, RGB, (H, W, 3).
        layers: All frames as drawn, RGB, (T, H, W, 3).
    """

    past: int
    plate: Video
    layers: Video


def draw_by_keypoints(truth: Video, backbone: MotionBackbone, settings: ClipSettings) -> Drawn:
    """Draw a clip with its true keypoints, by a model's decoder and by layers.

    Args:
        truth: RGB, (T, H, W, 3).
        backbone: The model that is compared with.
        settings: How clips are read for that model.

    Raises:
        ClipError: If the clip is too short or too small.
    """
    everything = observe(truth)
    even = range(0, len(truth), 2)
    seen = with_pixels_of(everything, truth, even)
    layers, layers_ms, source = None, 0.0, 0
    if seen.tracks:
        sources = best_sources(seen, SOURCES, even)
        source, look = sources[0], appearance(seen, truth, sources)
        belt_at = None if seen.belt is None or seen.belt.rate is not None else seen.belt.positions
        render(look, seen.keypoints[:1], None if belt_at is None else belt_at[:1])
        began = time.process_time()
        layers = render(look, seen.keypoints, belt_at).frames
        layers_ms = _milliseconds(began, len(truth))
    small = np.stack([resize_frame(frame, settings) for frame in truth])
    with torch.no_grad():
        scene, keypoints = Scene.encode(backbone, small[source]), keypoints_of(backbone, small)
        began = time.process_time()
        decoder = scene.render(keypoints)
        decoder_ms = _milliseconds(began, len(truth))
    scene = Scene.encode(NativeDetail(backbone, settings.size), truth[source])
    began = time.process_time()
    native = scene.render(keypoints)
    native_ms = _milliseconds(began, len(truth))
    large = _enlarged_frames(decoder, (truth.shape[1], truth.shape[2]))
    return Drawn(truth, seen, large, native, layers, decoder_ms, native_ms, layers_ms)


def draw_second_half(truth: Video) -> SecondHalf | None:
    """Draw a clip's second half by its first; None where that shows no part to follow."""
    past = (len(truth) + 1) // 2
    if past < FEWEST_PAST:
        return None
    seen = observe(truth, past)
    if not seen.tracks:
        return None
    look = appearance(seen, truth[:past], best_sources(seen, SOURCES))
    return SecondHalf(past, seen.plate.image, render(look, follow_on(seen, truth)).frames)


def part_masks(seen: Observation, size: tuple[int, ...]) -> Masks:
    """Where the parts are in the real frames by their tracks, (T, H, W)."""
    masks = np.zeros(seen.moving.shape, bool)
    for track in seen.tracks:
        masks |= carried(track.mask, track)
    return enlarged(masks, size)


def _enlarged_frames(frames: Video, size: tuple[int, int]) -> Video:
    """Frames at native size: (T, h, w, 3), (H, W) -> (T, H, W, 3)."""
    large = [cv2.resize(frame, size[::-1], interpolation=cv2.INTER_CUBIC) for frame in frames]
    return np.asarray(large, np.uint8)


def _milliseconds(began: float, frames: int) -> float:
    """CPU time per frame since then."""
    return (time.process_time() - began) * 1000 / frames
