"""Samples for one K and seed, made only from the clips that the detectors may use.

The forecasters are fitted to the keypoints of those clips only. A forecaster trained on more
defects would teach the detector what the arm without samples cannot know. The motion model is the
user's; it was trained without labels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, cycle, islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from safetensors.numpy import load_file, save_file
from torch import Tensor

from flawcast.configs.files import whole_file
from flawcast.configs.identity import content_id, derive_seed
from flawcast.configs.settings import Settings
from flawcast.flows.uplift.arms import BOTH, OWN, VRNN
from flawcast.flows.uplift.data import Material, Videos, joined, seen_frames, shrink
from flawcast.generators.backbones import MotionBackbone
from flawcast.generators.backbones.keypoints import keypoints_of
from flawcast.generators.clips.frames import to_video
from flawcast.generators.forecasters import KeypointPredictor
from flawcast.generators.rendering.scene import Scene

KINDS = tuple((mode, name) for name in (OWN, VRNN) for mode in BOTH)


class Making(Settings):
    """How samples are made; the defaults were best on validation clips.

    Args:
        per_label: Samples per label and mode; fewer in reconstruction mode if fewer different
            futures were sampled.
        drawn: Futures sampled per clip; those nearest to what really happened are used.
        temperature: The forecaster's sampling temperature.
        real_share: Share of the transferred samples that repeat the clip's real motion instead of
            a sampled future.
        epochs: Epochs for which a forecaster is fitted.
    """

    per_label: int = Field(40, ge=1)
    drawn: int = Field(20, ge=2)
    temperature: float = Field(1.0, gt=0)
    real_share: float = Field(0.5, ge=0, le=1)
    epochs: int = Field(40, ge=1)


@dataclass
class Maker:
    """Makes samples from some of the clips, and stores them in a folder.

    Args:
        backbone: Moves frames; its weights are the user's.
        horizon: P and F.
        material: The clips of the experiment.
        folder: Folder for samples, one file for each K, seed, forecaster and mode.
        making: How samples are made.
    """

    backbone: MotionBackbone
    horizon: tuple[int, int]
    material: Material
    folder: Path
    making: Making = field(default_factory=Making)
    _keypoints: dict[int, Tensor] = field(default_factory=dict)
    _fitted: dict[str, KeypointPredictor] = field(default_factory=dict)

    def samples(
        self, name: str, modes: tuple[str, ...], k: int, seed: int, real: list[int]
    ) -> Videos:
        """Make one forecaster's samples in some modes, only from the clips with the indices `real`.

        Samples that are in the folder already are read.
        """
        return joined([self._once(name, mode, k, seed, real) for mode in modes])

    def _once(self, name: str, mode: str, k: int, seed: int, real: list[int]) -> Videos:
        """Read the samples of one mode, or make and store them."""
        settings = self.making.model_dump(mode="json") | {"name": name, "k": k, "seed": seed}
        path = self.folder / f"{content_id('samples', mode=mode, **settings)}.safetensors"
        if not path.is_file():
            videos = self._make(name, mode, seed, real)
            self.folder.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as draft:
                save_file(_as_arrays(videos, self.material), draft)
        return _from_arrays(load_file(path), self.material)

    @torch.no_grad()
    def _make(self, name: str, mode: str, seed: int, real: list[int]) -> Videos:
        """Fit a forecaster, then make all samples of one mode."""
        predictor = self._fit(name, seed, real)
        labels = self.material.train.labels
        good = [index for index in real if labels[index] == 0]
        samples = []
        for label in range(len(self.material.names)):
            clips = [index for index in real if labels[index] == label]
            rng = np.random.default_rng(derive_seed(seed, "sources", label))
            clips = rng.permutation(clips).tolist()[: self.making.per_label]
            futures = {index: self._futures(predictor, index, seed) for index in clips}
            if mode == "reconstruction":
                samples += self._reconstruct(futures, name)
            else:
                samples += self._transfer(futures, good, name, rng)
        return joined(samples)

    def _fit(self, name: str, seed: int, real: list[int]) -> KeypointPredictor:
        """A forecaster fitted only to the clips with the indices `real`, once for all modes."""
        key = content_id("fitted", name=name, seed=seed, real=real)
        if key in self._fitted:
            return self._fitted[key]
        past, future = self.horizon
        predictor = KeypointPredictor(name, self.backbone.layout.length)
        series = [self._points(index) for index in real]
        with torch.enable_grad():
            predictor.fit(series, past, future, seed=seed, epochs=self.making.epochs)
        self._fitted[key] = predictor
        return predictor

    def _futures(self, predictor: KeypointPredictor, index: int, seed: int) -> Tensor:
        """Sample futures of a clip's last window, the nearest to the truth first: (N, F, D)."""
        past, future = self.horizon
        track = self._points(index)[-past - future :]
        generator = torch.Generator().manual_seed(derive_seed(seed, "futures", index))
        futures = predictor.sample(
            track[:past], future, self.making.drawn, generator, self.making.temperature
        )
        return futures[(futures - track[past:]).abs().mean(dim=(1, 2)).argsort()]

    def _reconstruct(self, futures: dict[int, Tensor], name: str) -> list[Videos]:
        """Sampled futures of the clips, each animating the first frame of its own window."""
        different = self.making.drawn * len(futures)
        scenes = {index: Scene.encode(self.backbone, self._source(index)) for index in futures}
        return [
            self._sample(scenes[index], motion, index, index, ("reconstruction", name))
            for index, motion in _in_turn(futures, min(self.making.per_label, different))
        ]

    def _transfer(
        self, futures: dict[int, Tensor], good: list[int], name: str, rng: np.random.Generator
    ) -> list[Videos]:
        """Transfer the clips' real motion and their sampled futures to frames of good clips.

        No good clip lends its frame twice before every other one has lent it once.
        """
        past, future = self.horizon
        tracks = {index: self._points(index)[-past - future :] for index in futures}
        as_it_was = {index: track[past:][None] for index, track in tracks.items()}
        real = round(self.making.per_label * self.making.real_share)
        motions = chain(_in_turn(as_it_was, real), _in_turn(futures, self.making.per_label - real))
        sources = cycle(rng.permutation(good).tolist())
        samples = []
        for index, motion in motions:
            source = next(other for other in sources if other != index or len(good) == 1)
            scene = Scene.encode(self.backbone, self._source(source), tracks[index][0])
            samples.append(self._sample(scene, motion, index, source, ("transfer", name)))
        return samples

    def _sample(
        self, scene: Scene, motion: Tensor, index: int, source: int, kind: tuple[str, str]
    ) -> Videos:
        """Render the frames that detectors see of one motion (F, D)."""
        placed = scene.place(motion[seen_frames(len(motion))])
        # not scene.render, which pads batches: here all videos have the same length
        video = to_video(scene.backbone.render(scene.appearance, placed))
        train = self.material.train
        return Videos(
            shrink(video)[None],
            train.labels[index : index + 1],
            (train.clips[index],),
            (train.clips[source],),
            (kind,),
        )

    def _source(self, index: int) -> NDArray[np.uint8]:
        """The first frame of a clip's last window, (H, W, 3)."""
        return self.material.clips[index].frames[-sum(self.horizon)]

    def _points(self, index: int) -> Tensor:
        """Keypoints of a clip, (T, D), computed once."""
        if index not in self._keypoints:
            self._keypoints[index] = keypoints_of(self.backbone, self.material.clips[index].frames)
        return self._keypoints[index]


def _in_turn(motions: dict[int, Tensor], count: int) -> Iterator[tuple[int, Tensor]]:
    """Yield `count` motions of the clips' (N, F, D): the first of each clip, then the second."""
    for number, index in enumerate(islice(cycle(motions), count)):
        yield index, motions[index][number // len(motions) % len(motions[index])]


def _as_arrays(made: Videos, material: Material) -> dict[str, NDArray[np.generic]]:
    """Samples as they are kept: videos in 8 bits, clips and kinds by number."""
    numbers = {clip: number for number, clip in enumerate(material.train.clips)}
    return {
        "videos": (made.videos * 255).round().to(torch.uint8).numpy(),
        "labels": made.labels,
        "clips": np.array([numbers[clip] for clip in made.clips]),
        "sources": np.array([numbers[clip] for clip in made.sources]),
        "kinds": np.array([KINDS.index(kind) for kind in made.kinds]),
    }


def _from_arrays(arrays: dict[str, NDArray[np.generic]], material: Material) -> Videos:
    """Read what `_as_arrays` wrote."""
    names = material.train.clips
    return Videos(
        torch.from_numpy(arrays["videos"]).float() / 255,
        arrays["labels"].astype(np.int64),
        tuple(names[int(number)] for number in arrays["clips"]),
        tuple(names[int(number)] for number in arrays["sources"]),
        tuple(KINDS[int(number)] for number in arrays["kinds"]),
    )
