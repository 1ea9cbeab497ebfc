"""Which futures a set keeps, and their scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawcast.configs.defect_settings import MadeDefect
from flawcast.configs.identity import derive_seed
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.compared import Compared
from flawcast.flows.generate.defects.on_layers import DefectOnLayers
from flawcast.flows.generate.defects.on_pixels import DefectOnPixels, OnPixels, with_levels
from flawcast.flows.generate.defects.orders import WITH_DEFECT
from flawcast.flows.generate.layered import chosen
from flawcast.flows.generate.masks import make_masks
from flawcast.flows.generate.plan import SetPlan
from flawcast.flows.generate.sampled import Sampled
from flawcast.generators.backbones import MotionBackbone
from flawcast.selection.metrics import mae, sample_diversity, ssim, temporal_coherence
from flawcast.selection.metrics.by_frame import KeptScores, score_by_frame
from flawcast.selection.pruning import Closest, Ranking, keep_closest
from flawcast.selection.selectors import SELECTORS, Candidates, lowest_mae
from flawcast.storage import Layers
from flawcast.storage.layered import LayeredArray

OnFutures = Callable[[int], None]


@dataclass(frozen=True)
class Kept:
    """The futures that a set keeps, with what they were compared with; fields as in `SampleSet`.

    `made` is what became of the set's order for a defect. Choice and scores are those of the
    futures without it: the real future has none.
    """

    ranking: Ranking
    videos: NDArray[np.uint8] | LayeredArray
    scores: KeptScores
    reference: NDArray[np.uint8]
    hold_mae: float
    masks: NDArray[np.uint8] | LayeredArray | None = None
    valid: NDArray[np.bool_] | LayeredArray | None = None
    made: MadeDefect | None = None

    def as_pixels(self) -> "Kept":
        """The same, all drawn, video by video: a video and its masks share their motion."""
        videos, masks, valid = [], [], []
        for rank in range(len(self.videos)):
            videos.append(self.videos[rank])
            if self.masks is not None and self.valid is not None:
                masks.append(self.masks[rank])
                valid.append(self.valid[rank])
        whole = replace(self, videos=np.stack(videos))
        return replace(whole, masks=np.stack(masks), valid=np.stack(valid)) if masks else whole


def keep_pixels(
    plan: SetPlan,
    sampled: Sampled,
    settings: GenerateSettings,
    levels: NDArray[np.uint8] | None,
    on_futures: OnFutures,
    defect: DefectOnPixels | None = None,
) -> Kept:
    """Keep futures of a backbone that alone can draw them, and lay a defect over them."""
    scene = sampled.scene
    still = scene.render(sampled.keypoints[settings.past - 1 : settings.past])
    reference = sampled.truth
    if settings.driving is not None and settings.driving.real and plan.mode == "transfer":
        closest, reference = _keep_all(sampled, on_futures)
    else:
        if plan.mode == "transfer":
            reference = scene.render(sampled.keypoints[settings.past :])
        closest = render_and_keep(sampled, reference, settings, on_futures)
    put: OnPixels | None = None
    if defect is not None:
        indices = closest.indices.tolist()
        put = defect.put(scene, sampled.futures, closest.videos, indices)
        left = list(put.ranks)
        closest = replace(closest, indices=closest.indices[left], videos=closest.videos[left])
    indices = closest.indices.tolist()
    masks = None
    if plan.masks is not None and (put is None or levels is not None or plan.masks != WITH_DEFECT):
        masks = make_masks(plan.masks.kind, scene, sampled.futures, indices, levels)
    scores = KeptScores(
        ssim=ssim(closest.videos, reference),
        diversity=sample_diversity(closest.videos),
        coherence=temporal_coherence(closest.videos, reference),
    )
    if put is not None and plan.masks is not None and plan.masks.kind == "drawn":
        masks = with_levels(masks, put)
    return Kept(
        closest,
        closest.videos if put is None else put.videos,
        scores,
        reference,
        _hold_mae(still[0], reference),
        None if masks is None else masks.maps,
        None if masks is None else masks.valid,
        None if put is None else put.made,
    )


def keep_layers(
    plan: SetPlan,
    sampled: Sampled,
    settings: GenerateSettings,
    layers: Layers,
    on_futures: OnFutures,
    defect: DefectOnLayers | None = None,
) -> Kept:
    """Keep futures that are drawn from layers, with a few frames in memory at any time.

    Scores are of the videos without sensor noise.
    """
    # The last real frame itself: a drawn one would be an easier rival.
    reference, still = sampled.truth, sampled.past[-1]
    if plan.mode == "transfer":
        last = _placed(sampled, sampled.keypoints[settings.past - 1 : settings.past])
        still = replace(layers, keypoints=last).draw("videos", 0, [0])[0]
        true = _placed(sampled, sampled.keypoints[settings.past :])
        reference = np.asarray(replace(layers, keypoints=true, seeds=layers.seeds[:1]).videos()[0])
    selector, compared = SELECTORS[settings.selector], Compared(layers, reference)
    if selector is lowest_mae:
        guess = _distances(
            sampled.scene.backbone, sampled.futures, sampled.keypoints[settings.past :]
        )
        ranking = compared.closest(guess, settings.keep, on_futures)
    else:
        videos = np.asarray(layers.videos())
        errors = mae(videos, reference)
        indices = selector(Candidates(videos, errors), settings.keep)
        ranking = Ranking(indices, errors, videos.shape[0] * videos.shape[1])
    shown, made = layers, None
    if defect is not None:
        put = defect.put(layers, ranking.indices.tolist())
        shown, made = put.layers, put.made
        ranking = replace(ranking, indices=ranking.indices[list(put.ranks)])
    indices = ranking.indices.tolist()
    kept = chosen(shown, indices, [noise_seed(plan.set_id, index) for index in indices])
    return Kept(
        ranking,
        kept.videos(),
        score_by_frame(compared.by_time(indices), reference),
        reference,
        _hold_mae(still, reference),
        None if plan.masks is None else kept.masks(),
        None if plan.masks is None else kept.valid(),
        made,
    )


def _placed(sampled: Sampled, keypoints: Tensor) -> NDArray[np.float32]:
    """Keypoints (F, D) of one video, carried over to the source, (1, F, D)."""
    return sampled.scene.place(keypoints)[None].cpu().numpy()


def _hold_mae(still: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """MAE of one frame (H, W, 3) for all of the reference (F, H, W, 3)."""
    return float(mae(np.repeat(still[None], len(reference), axis=0)[None], reference)[0])


def render_and_keep(
    sampled: Sampled,
    reference: NDArray[np.uint8],
    settings: GenerateSettings,
    on_futures: OnFutures = lambda done: None,
) -> Closest:
    """Render a set's futures as far as the selector needs them, and keep those it chooses.

    The selector of the closest ones stops rendering a future once it cannot be among them. Any
    other selector gets all videos.
    """
    futures, scene = sampled.futures, sampled.scene
    selector = SELECTORS[settings.selector]
    if selector is not lowest_mae:
        videos = scene.render_all(futures, on_futures)  # (N, F, H, W, 3)
        errors = mae(videos, reference)
        indices = selector(Candidates(videos, errors), settings.keep)
        return Closest(indices, errors, videos.shape[0] * videos.shape[1], videos[indices])
    placed = torch.stack([scene.place(future) for future in futures])

    def draw_frames(pairs: Sequence[tuple[int, int]]) -> NDArray[np.uint8]:
        return scene.draw(torch.stack([placed[future, frame] for future, frame in pairs]))

    guess = _distances(scene.backbone, futures, sampled.keypoints[settings.past :])
    return keep_closest(draw_frames, reference, guess, settings.keep, scene.batch, on_futures)


def _keep_all(sampled: Sampled, on_futures: OnFutures) -> tuple[Closest, NDArray[np.uint8]]:
    """Keep all futures, the first of which is the real motion: its video is the reference."""
    videos = sampled.scene.render_all(sampled.futures, on_futures)
    errors = mae(videos, videos[0])
    order = np.argsort(errors, kind="stable")
    return Closest(order, errors, videos.shape[0] * videos.shape[1], videos[order]), videos[0]


def _distances(backbone: MotionBackbone, futures: Tensor, truth: Tensor) -> NDArray[np.float32]:
    """How far the keypoints of futures (N, F, D) are from the true ones (F, D): (N,)."""
    flat = backbone.positions(futures.flatten(0, 1).to(backbone.device))
    true = backbone.positions(truth.to(backbone.device))
    apart = (flat.unflatten(0, futures.shape[:2]) - true).abs().flatten(1).mean(dim=1)
    return apart.cpu().numpy()


def noise_seed(set_id: str, index: int) -> int:
    """Seed of the sensor noise of one future."""
    return derive_seed(0, set_id, index, "noise")
