"""The `layers` motion backbone: the clip's own parts over its own plate, without any weights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer
from torch import Tensor

from flawcast.configs.errors import ClipError, ModelError, NothingToFollowError
from flawcast.configs.keypoint_layouts import KeypointLayout, keypoint_layout
from flawcast.configs.settings import Settings
from flawcast.generators.backbones.base import (
    BACKBONES,
    Appearance,
    Context,
    MotionBackbone,
    Rendering,
    Video,
    check_length,
)
from flawcast.generators.backbones.layers.cameras import plates_to_keep
from flawcast.generators.backbones.layers.detected import PartFinder
from flawcast.generators.backbones.layers.detector import DetectorConfig, PartDetector
from flawcast.generators.backbones.layers.keypoints import KEYPOINTS, moved_as_one
from flawcast.generators.backbones.layers.latest import latest_plate
from flawcast.generators.backbones.layers.learnt import with_detector
from flawcast.generators.backbones.layers.model import (
    LayerAppearance,
    LayerRendering,
    appearance,
    best_sources,
    render,
)
from flawcast.generators.backbones.layers.observation import (
    Finder,
    Observation,
    follow_on,
    observe,
)
from flawcast.generators.backbones.layers.plate import Plate
from flawcast.generators.backbones.layers.stored import to_arrays
from flawcast.generators.blocks.geometry import inverse_2x2
from flawcast.generators.clips.frames import to_tensor, to_video
from flawcast.generators.training.losses.objective import Objective, Outcome, Pairs

ADAPT = "flawcast train CLIPS --backbone layers --out MODEL"
LEAST_VISIBLE = 0.3  # of a part: less of it is hard to follow


class KnownPlate(Settings):
    """A plate that the backbone holds.

    Args:
        clip_id: The clip that shows it.
        height: H.
        width: W.
    """

    clip_id: str
    height: int = Field(ge=1)
    width: int = Field(ge=1)


class LayersConfig(Settings):
    """Settings of `layers`.

    Args:
        sources: Frames that each part is cut from, at most; the nearest one is drawn.
        noise: Whether kept videos get fresh sensor noise of the clip's own strength.
        plates: Plates of clips of the line, for others of the same camera.
        detector: Sizes of a detector that finds the part where tracking fails; None for none.
    """

    sources: int = Field(3, ge=1, le=8)
    noise: bool = True
    plates: tuple[KnownPlate, ...] = ()
    detector: DetectorConfig | None = None

    @model_serializer(mode="wrap")
    def _without_default(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what older models do not have, so that they keep their ids."""
        values: dict[str, Any] = dump(self)
        if values.get("detector") is None:
            values.pop("detector", None)
        return values


@dataclass(frozen=True)
class LayersAppearance(Appearance):
    """What a source looks like."""

    look: LayerAppearance


class LayersContext(Context):
    """A clip whose parts are followed.

    Args:
        frames: RGB, (T, H, W, 3).
        seen: What the first P of them show.
        sources: Frames that each part is cut from, at most.
        finder: What found the parts; None where their corners are followed.
    """

    def __init__(
        self, frames: Video, seen: Observation, sources: int, finder: Finder | None = None
    ) -> None:
        super().__init__(frames)
        self.seen, self._sources, self._finder = seen, sources, finder
        self._keypoints: Tensor | None = None

    def keypoints(self) -> Tensor:
        """Keypoints of all frames, (T, D); those after the observed ones are followed on."""
        if self._keypoints is None:
            self._keypoints = torch.from_numpy(follow_on(self.seen, self.frames, self._finder))
        return self._keypoints

    def appearance(self, index: int) -> LayersAppearance:
        """Appearance of one observed frame; the parts are cut from others, too."""
        observed = len(self.seen.keypoints)
        others = best_sources(self.seen, self._sources)
        sources = list(dict.fromkeys([index, *others]))[: self._sources]
        look = appearance(self.seen, self.frames[:observed], sources)
        plate = latest_plate(self.seen, self.frames[observed - 1])
        return LayersAppearance(replace(look, plate=plate))

    def possible(self, futures: Tensor) -> Tensor:
        """The same futures of parts that stay whole, as those of the observed frames do."""
        past, groups = self.seen.keypoints, self.seen.groups
        return torch.from_numpy(moved_as_one(futures.numpy(), past, groups))

    def measured(self) -> slice:
        """The longest stretch of frames in which the first part was seen and followed."""
        track = self.seen.tracks[0]
        sure = np.concatenate([[False], track.tracked & (track.visible > LEAST_VISIBLE), [False]])
        edges = np.flatnonzero(np.diff(sure.astype(np.int8)))
        starts, ends = edges[::2], edges[1::2]
        longest = int((ends - starts).argmax())
        return slice(int(starts[longest]), int(ends[longest]))


@BACKBONES.register("layers")
class LayersBackbone(MotionBackbone):
    """Parts cut out of real frames and moved over a clean plate, at any size and aspect.

    Keypoints come from following the parts through the clip, so a single frame is not enough.
    Nothing is learned, unless a detector was adapted to the line: it finds the part of clips in
    which it cannot be followed. Nothing is drawn that no frame shows. Works on the CPU.
    """

    Config = LayersConfig
    batch_pixels = 1  # frames are drawn one by one
    follows_parts = True
    renderer = "layers"
    learns = False

    def __init__(self, config: LayersConfig) -> None:
        super().__init__(config)
        self.config: LayersConfig = config
        self.detector = None if config.detector is None else PartDetector(config.detector)
        for number, one in enumerate(config.plates):  # RGB, and whether it was seen
            empty = torch.zeros(one.height, one.width, 4, dtype=torch.uint8)
            self.register_buffer(f"plate_{number}", empty)

    @classmethod
    def knowing(
        cls, plates: Sequence[tuple[str, Plate]], detector: PartDetector | None = None
    ) -> "LayersBackbone":
        """A backbone that knows plates, by the ids of the clips that show them, and a detector.

        Of each camera it holds a few plates.
        """
        chosen = [plates[index] for index in plates_to_keep([plate for _, plate in plates])]
        known = tuple(
            KnownPlate(clip_id=clip_id, height=plate.valid.shape[0], width=plate.valid.shape[1])
            for clip_id, plate in chosen
        )
        sizes = None if detector is None else detector.config
        backbone = cls(LayersConfig(plates=known, detector=sizes))
        if backbone.detector is not None and detector is not None:
            backbone.detector.load_state_dict(detector.state_dict())
        for number, (_, plate) in enumerate(chosen):
            values = np.dstack([plate.image, plate.valid.astype(np.uint8)])
            backbone.get_buffer(f"plate_{number}").copy_(torch.from_numpy(values))
        return backbone

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    @property
    def layout(self) -> KeypointLayout:
        """Positions and Jacobians, as FOMM's."""
        return keypoint_layout("layers", KEYPOINTS)

    def observe(
        self,
        frames: Video,
        past: int | None = None,
        line: Sequence[Video] = (),
        clip_id: str | None = None,
    ) -> LayersContext:
        """Find plate and parts of a clip, and follow the parts.

        Args:
            frames: RGB, (T, H, W, 3).
            past: How many frames may be observed; None for all.
            line: More frames of the same camera, for the plate.
            clip_id: The clip. Its own plate is not used: it shows what comes after the past.

        Raises:
            NothingToFollowError: If no part can be followed.
            ClipError: If the frames are too few or too small.
        """
        if len(frames) == 1:
            raise ClipError(
                "layers: expected a clip, got a single frame, in which no part can be told from "
                "its background; use generate --mode transfer, or a model that is trained"
            )
        plates, finder = self._plates_but(clip_id), None
        seen = observe(frames, past, line, plates)
        if seen.failure and self.detector is not None:
            finder = PartFinder(self.detector)
            seen = with_detector(seen, observe(frames, past, line, plates, finder))
        if seen.failure:
            advice = "" if finder else f", or adapt a detector: {ADAPT}"
            raise NothingToFollowError(f"{seen.failure}{advice}")
        return LayersContext(frames, seen, self.config.sources, finder)

    def keypoints(self, frames: Tensor) -> Tensor:
        """Keypoints of the frames of one clip: (T, 3, H, W) in [0, 1] -> (T, D).

        Raises:
            NothingToFollowError: If no part can be followed.
            ClipError: If the frames are too few or too small.
        """
        return self.observe(to_video(frames)).keypoints()

    def appearance(self, source: Tensor) -> Appearance:
        """Refuse a frame without its clip.

        Raises:
            ClipError: Always: one frame does not tell a part from its background.
        """
        return self.observe(to_video(source[None])).appearance(0)

    def rendering(self, appearance: Appearance, keypoints: Tensor) -> Rendering:
        """Draw frames, with their motion on a grid of at least 64 a side.

        What a part has uncovered comes from nowhere in the source: its positions are outside.

        Raises:
            ModelError: If the vectors are not of this model's length.
        """
        drawn = self._drawn(appearance, keypoints)
        return Rendering(to_tensor(drawn.frames), torch.from_numpy(drawn.deformation), None)

    def draw(self, appearance: Appearance, keypoints: Tensor) -> Video:
        """Draw frames: (F, D) -> RGB, (F, H, W, 3).

        Raises:
            ModelError: If the vectors are not of this model's length.
        """
        return self._drawn(appearance, keypoints).frames

    def source_arrays(
        self,
        appearance: Appearance,
        levels: Video | None = None,
        usual: NDArray[np.float32] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """What the renderer of the same name needs; without noise if the settings say so."""
        arrays = to_arrays(_look_of(appearance), levels, usual)
        return arrays if self.config.noise else arrays | {"noise": np.zeros_like(arrays["noise"])}

    def positions(self, keypoints: Tensor) -> Tensor:
        """Positions of keypoints: (F, D) -> (F, K, 2)."""
        return keypoints.unflatten(1, (-1, 6))[..., :2]

    def relative(
        self, keypoints: Tensor, start: Tensor, source: Tensor, scale: float = 1.0
    ) -> Tensor:
        """Move the source's parts as the driving clip's keypoints move on the whole.

        Keypoints of two clips lie on different parts, so they are not matched one by one: the mean
        motion moves and turns the source about its own centre.

        Args:
            keypoints: Keypoints of the driving clip, (F, D).
            start: First keypoints of the driving clip, (D,).
            source: Keypoints of the source frame, (D,).
            scale: Factor of the displacements.

        Returns:
            Keypoints for `render`, (F, D).
        """
        driving, first, own = (
            values.reshape(-1, self.layout.keypoints, 6) for values in (keypoints, start, source)
        )
        way = scale * (driving[..., :2] - first[..., :2]).mean(dim=1, keepdim=True)  # (F, 1, 2)
        start_inverse = inverse_2x2(first[..., 2:].unflatten(-1, (2, 2)))
        turn = (driving[..., 2:].unflatten(-1, (2, 2)) @ start_inverse).mean(dim=1)  # (F, 2, 2)
        centre = own[..., :2].mean(dim=1, keepdim=True)  # (1, 1, 2)
        places = centre + (own[..., :2] - centre) @ turn.mT + way
        jacobians = turn[:, None] @ own[..., 2:].unflatten(-1, (2, 2))
        return torch.cat([places, jacobians.flatten(2)], dim=2).flatten(1)

    def losses(self, pairs: Pairs, objective: Objective) -> Outcome:
        """Refuse pairs of frames: a detector learns from self-made ones alone.

        Raises:
            ModelError: Always.
        """
        raise ModelError(
            "backbone layers: expected self-made pairs to learn from, got frames of clips; "
            f"use {ADAPT}"
        )

    def known_plates(self) -> list[Plate]:
        """The plates that it holds."""
        return self._plates_but(None)

    def _plates_but(self, clip_id: str | None) -> list[Plate]:
        """The plates of other clips."""
        plates = []
        for number, one in enumerate(self.config.plates):
            if one.clip_id != clip_id:
                values = self.get_buffer(f"plate_{number}").cpu().numpy()
                plates.append(Plate(values[..., :3].copy(), values[..., 3] > 0))
        return plates

    def _drawn(self, appearance: Appearance, keypoints: Tensor) -> LayerRendering:
        """Frames without noise."""
        check_length(self.layout, keypoints)
        return render(_look_of(appearance), keypoints.cpu().numpy())


def _look_of(appearance: Appearance) -> LayerAppearance:
    """The arrays in an appearance of this backbone."""
    return cast(LayersAppearance, appearance).look
