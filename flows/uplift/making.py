"""Samples for one K and seed: what `augment` writes for the clips that the detectors may use.

The forecaster is fitted to the keypoints of those clips only. A forecaster trained on more defects
would teach the detector what the arm without samples cannot know. The motion model is the user's;
it was trained without labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from pydantic import Field
from torch import Tensor

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.driving import Driving
from flawcast.configs.errors import NothingToFollowError
from flawcast.configs.identity import content_id
from flawcast.configs.model_card import Versions, read_card
from flawcast.configs.settings import GenerateSettings, Settings
from flawcast.flows.augment import AugmentRequest, augment
from flawcast.flows.augment.request import MOTIONS
from flawcast.flows.uplift.arms import OWN
from flawcast.flows.uplift.folder import read_or_compute
from flawcast.flows.uplift.looks import looks_of
from flawcast.generators.backbones import MotionBackbone, load_backbone
from flawcast.generators.backbones.base import BACKBONE_FILE
from flawcast.generators.backbones.keypoints import keypoints_of
from flawcast.generators.backbones.layers.backbone import LayersContext
from flawcast.generators.clips import Clip
from flawcast.generators.forecasters import KeypointPredictor
from flawcast.generators.model import is_model, load_model, save_model
from flawcast.generators.rendering.fused import for_inference

OF_PARTS = "rigid_ridge"  # the forecaster of parts that are followed


class Making(Settings):
    """How samples are made; the defaults were best on validation clips.

    Args:
        per_label: Samples of each label and mode.
        drawn: Futures sampled for each; those nearest to what really happened are used.
        temperature: The forecaster's sampling temperature.
        epochs: Epochs for which a forecaster is fitted.
        looks: Types of defects of looks, and what they are called: "crack,chip=crack". They are as
            large as the real ones of that label. None or empty for none.
        past: P of a model of the clips' own parts; None for what the clips allow.
        future: F of such a model.
    """

    per_label: int = Field(40, ge=2)
    drawn: int = Field(20, ge=1)
    temperature: float = Field(1.0, gt=0)
    epochs: int = Field(40, ge=1)
    looks: str | None = None
    past: int | None = Field(None, ge=1)
    future: int | None = Field(None, ge=2)

    @property
    def horizon(self) -> dict[str, int]:
        """Past and future frames of a model of the clips' own parts, where they are given."""
        given = {"past": self.past, "future": self.future}
        return {name: value for name, value in given.items() if value is not None}


@dataclass
class Maker:
    """Has `augment` write samples of some of the clips into the experiment's store.

    Args:
        folder: The folder of clips.
        model: The user's model folder, whose motion model is used.
        out: The experiment's folder; gets the store, and a model folder for each forecaster.
        clips: The clips to train on.
        normal: The label of good clips.
        making: How samples are made.
        read: How the clips were read.
    """

    folder: Path
    model: Path
    out: Path
    clips: Sequence[Clip]
    normal: str
    making: Making = field(default_factory=Making)
    read: ClipSettings = field(default_factory=ClipSettings)
    _keypoints: dict[int, Tensor] = field(default_factory=dict)

    @property
    def store(self) -> str:
        """The store's path."""
        return str(self.out / "samples")

    def make(self, name: str, modes: Sequence[str], k: int, seed: int, real: list[int]) -> str:
        """Fit a forecaster and make its samples in some modes, unless they are there.

        Args:
            name: The forecaster's name.
            modes: "reconstruction", "transfer" or both.
            k: Number of clips of each defect.
            seed: The draw of clips.
            real: Indices of the clips in use; nothing else is read.

        Returns:
            A condition for these samples in the store.
        """
        if self._of_parts and name == OWN:
            name = OF_PARTS
        model = self.out / "models" / content_id(
            "model", name=name, k=k, seed=seed, epochs=self.making.epochs
        )  # fmt: skip
        if not is_model(model):
            self._fit(model, name, seed, real)
        for mode in modes:
            done = model.with_name(f"{model.name}.{mode}.json")
            read_or_compute(
                done,
                lambda mode=mode: augment(  # type: ignore[misc]
                    self._request(model, mode, seed, real)
                ).manifest.to_json(),
            )
        named = ", ".join(f"'{mode}'" for mode in modes)
        return f"weights_id = '{load_model(model).weights_id}' and mode in ({named})"

    def _request(self, model: Path, mode: str, seed: int, real: list[int]) -> AugmentRequest:
        """The recipe for these clips alone."""
        past, future = self._horizon
        settings = GenerateSettings(
            past=past,
            future=future,
            samples=MOTIONS,
            keep=MOTIONS,
            temperature=self.making.temperature,
            seed=seed,
            driving=Driving(drawn=self.making.drawn),
        )
        return AugmentRequest(
            clips=self.folder,
            model=model,
            store=self.store,
            modes=(mode,),
            settings=settings,
            per_label=self.making.per_label,
            normal=self.normal,
            only=tuple(self.clips[index].id for index in real),
            defects=looks_of(
                self.making.looks or "", [self.clips[index] for index in real], self.read
            ),
            workers=0,
        )

    @property
    def _of_parts(self) -> bool:
        """Whether the motion model moves the clips' own parts."""
        return read_card(self.model).settings.forecaster.name == OF_PARTS

    @property
    def _horizon(self) -> tuple[int, int]:
        """P and F."""
        trained = read_card(self.model).settings.forecast
        return trained.past, trained.future

    @torch.no_grad()
    def _fit(self, out: Path, name: str, seed: int, real: list[int]) -> None:
        """Write a model whose forecaster is fitted to the clips with the indices `real`."""
        backbone = load_backbone(self.model / BACKBONE_FILE)
        fused = for_inference(load_backbone(self.model / BACKBONE_FILE))
        for index in real:
            if index not in self._keypoints:
                self._keypoints[index] = _followed(fused, self.clips[index])
        config = {"horizon": self._horizon[1]} if name == OF_PARTS else {}
        predictor = KeypointPredictor(name, backbone.layout.length, config)
        least = sum(self._horizon)
        series = [self._keypoints[index] for index in real if len(self._keypoints[index]) >= least]
        with torch.enable_grad():
            predictor.fit(series, *self._horizon, seed=seed, epochs=self.making.epochs)
        card = read_card(self.model)
        settings = card.settings.overridden(
            {"forecaster.name": name, "seed": seed}
            | ({"forecaster.config": config} if config else {})
        )
        learnt = {self.clips[index].name: self.clips[index].id for index in real}
        card = card.model_copy(
            update={
                "settings": settings,
                "clips": learnt,
                "held_out": {},
                "left_out": None,
                "motion_clips": card.motion_clips or card.clips,
                "metrics": {},
                "seconds": None,
                "versions": Versions.installed(),
            }
        )
        save_model(out, backbone, predictor, card)


def _followed(backbone: MotionBackbone, clip: Clip) -> Tensor:
    """Keypoints of a clip's frames; of followed parts, those of the frames that show them."""
    if not backbone.follows_parts:
        return keypoints_of(backbone, clip.frames)
    try:
        context = cast(LayersContext, backbone.observe(clip.frames))
    except NothingToFollowError:
        return torch.zeros(0, backbone.layout.length)
    return context.keypoints()[context.measured()]
