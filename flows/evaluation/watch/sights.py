"""What a watch sees of a stream: the keypoints of its parts, by following or by a learned model."""

from abc import ABC, abstractmethod

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from flawcast.configs.clip_settings import ClipSettings
from flawcast.flows.evaluation.watch.calibration import WatchSettings
from flawcast.generators.backbones import MotionBackbone
from flawcast.generators.backbones.layers import LayersBackbone
from flawcast.generators.backbones.layers.cameras import shrunk_plate
from flawcast.generators.backbones.layers.live import LiveFollower, Sighting
from flawcast.generators.backbones.layers.plate import Plate
from flawcast.generators.clips.frames import resize_frame, to_tensor
from flawcast.generators.model import Model

Image = NDArray[np.uint8]
Floats = NDArray[np.floating]


class Sight(ABC):
    """Sees the parts of a stream, frame by frame."""

    follows = True  # whether parts are followed, so that their pictures can be compared

    @abstractmethod
    def shape(self, frame: Image) -> Image:
        """A frame at the size that it is seen at."""

    @abstractmethod
    def start(self, frames: Image) -> list[list[Sighting]]:
        """The parts in each of the first frames, (T, h, w, 3).

        Raises:
            ClipError: If nothing can be seen in them.
        """

    @abstractmethod
    def step(self, frame: Image, gap: int) -> list[Sighting]:
        """The parts in the next frame, so many frames after the last."""

    @abstractmethod
    def forget(self) -> None:
        """Find parts anew in the next frame, after a pause."""

    @abstractmethod
    def pose(self, keypoints: Floats) -> NDArray[np.float64]:
        """What is compared of keypoints: (..., D) -> (..., d)."""

    @abstractmethod
    def places(self, keypoints: Floats) -> NDArray[np.float64]:
        """Positions of keypoints in [-1, 1]: (D,) -> (K, 2)."""

    def background(self) -> Image | None:
        """The stream without its parts; None if that is not known."""
        return None

    def outline(self, part: int) -> NDArray[np.bool_] | None:
        """A part in its first frame; None if it is not known."""
        del part
        return None

    def plate(self) -> Plate | None:
        """The background that the first frames show; None if that is not known."""
        return None


class FollowedSight(Sight):
    """Parts that `layers` follows, each for itself."""

    def __init__(self, backbone: LayersBackbone, settings: WatchSettings) -> None:
        self._clips = ClipSettings(size=settings.side, fit="keep")
        self._plates = backbone.known_plates()
        self._follower = LiveFollower()

    def shape(self, frame: Image) -> Image:
        """See `Sight`."""
        return resize_frame(frame, self._clips)

    def start(self, frames: Image) -> list[list[Sighting]]:
        """See `Sight`."""
        before = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            aspect = frames.shape[2] / frames.shape[1]
            size = (frames.shape[1], frames.shape[2])
            plates = [
                shrunk_plate(one, size)
                for one in self._plates
                if abs(one.valid.shape[1] / one.valid.shape[0] / aspect - 1) < 0.02
            ]
            self._follower = LiveFollower(plates)
            return self._follower.start(frames)
        finally:
            cv2.setNumThreads(before)

    def step(self, frame: Image, gap: int) -> list[Sighting]:
        """See `Sight`."""
        return self._follower.step(frame, gap)

    def forget(self) -> None:
        """See `Sight`."""
        self._follower.forget()

    def pose(self, keypoints: Floats) -> NDArray[np.float64]:
        """Centre and turn of the part: its keypoints share one affine motion."""
        values = np.asarray(keypoints, np.float64)
        return values.reshape(*values.shape[:-1], -1, 6).mean(axis=-2)

    def places(self, keypoints: Floats) -> NDArray[np.float64]:
        """See `Sight`."""
        return np.asarray(keypoints, np.float64).reshape(-1, 6)[:, :2]

    def background(self) -> Image | None:
        """See `Sight`."""
        return self._follower.plate

    def outline(self, part: int) -> NDArray[np.bool_] | None:
        """See `Sight`."""
        return self._follower.mask_of(part)

    def plate(self) -> Plate | None:
        """See `Sight`."""
        return self._follower.observed


class LearnedSight(Sight):
    """Keypoints that a trained motion model finds in each frame: the whole picture is one part."""

    follows = False

    def __init__(self, backbone: MotionBackbone, clips: ClipSettings) -> None:
        self._backbone, self._clips = backbone, clips

    def shape(self, frame: Image) -> Image:
        """See `Sight`."""
        return resize_frame(frame, self._clips)

    def start(self, frames: Image) -> list[list[Sighting]]:
        """See `Sight`."""
        return [[self._seen(frame)] for frame in frames]

    def step(self, frame: Image, gap: int) -> list[Sighting]:
        """See `Sight`."""
        del gap
        return [self._seen(frame)]

    def forget(self) -> None:
        """Nothing: each frame is seen for itself."""

    def pose(self, keypoints: Floats) -> NDArray[np.float64]:
        """All values: keypoints move on their own."""
        return np.asarray(keypoints, np.float64)

    def places(self, keypoints: Floats) -> NDArray[np.float64]:
        """See `Sight`."""
        values = np.asarray(keypoints, np.float32)[None]
        positions = self._backbone.positions(torch.from_numpy(values))[0]
        return positions.detach().cpu().double().numpy()

    def _seen(self, frame: Image) -> Sighting:
        """The one part of a frame."""
        with torch.no_grad():
            tensor = to_tensor(frame[None]).to(self._backbone.device)
            vector = self._backbone.keypoints(tensor)[0].cpu().numpy()
        nothing = float("nan")
        return Sighting(0, vector, nothing, nothing, nothing, np.eye(2, 3), True)


def sight_of(model: Model, settings: WatchSettings) -> Sight:
    """How a model sees a stream."""
    if isinstance(model.backbone, LayersBackbone):
        return FollowedSight(model.backbone, settings)
    return LearnedSight(model.backbone, model.card.settings.clips)
