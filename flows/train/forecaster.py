"""The second stage of a training: the forecaster of the motion model's keypoints."""

from collections.abc import Sequence
from pathlib import Path

import torch

from flawcast.configs.identity import derive_seed
from flawcast.configs.settings import TrainSettings
from flawcast.flows.running.display import Display
from flawcast.flows.train.clips import TrainClip
from flawcast.generators.backbones import MotionBackbone
from flawcast.generators.backbones.keypoints import keypoints_of
from flawcast.generators.forecasters import KeypointPredictor

CHECKPOINT = "forecaster-checkpoint.safetensors"


def train_forecaster(
    backbone: MotionBackbone,
    training: Sequence[TrainClip],
    validation: Sequence[TrainClip],
    settings: TrainSettings,
    display: Display,
    workshop: Path,
) -> KeypointPredictor:
    """Fit the forecaster to the keypoints of the training clips.

    Args:
        backbone: Finds the keypoints.
        training: Clips to fit to.
        validation: Clips that decide when to stop.
        settings: The forecaster and the length of its training.
        display: Shows epochs and losses.
        workshop: Folder for the checkpoint; an interrupted fit continues from it.
    """
    workshop.mkdir(parents=True, exist_ok=True)
    forecast = settings.forecast
    predictor = KeypointPredictor(
        settings.forecaster.name, backbone.layout.length, settings.forecaster.config
    )
    with display.training("forecaster", forecast.epochs) as on_epoch:
        predictor.fit(
            keypoint_series(backbone, training),
            forecast.past,
            forecast.future,
            validation=keypoint_series(backbone, validation),
            seed=settings.seed,
            epochs=forecast.epochs,
            seconds=forecast.seconds,
            progress=lambda epoch, train, valid: on_epoch(
                epoch, f"train {train:.2f}  held out {valid:.2f}"
            ),
            checkpoint=workshop / CHECKPOINT,
        )
    return predictor


def forecast_metrics(
    predictor: KeypointPredictor, series: Sequence[torch.Tensor], settings: TrainSettings
) -> dict[str, float]:
    """Compute errors of the forecaster, and of repeating the last frame, on test windows.

    Mean absolute errors are in keypoint units; `forecast_coherence` is the mean frame-to-frame
    displacement of the samples divided by that of the truth (1 is ideal). A forecaster without
    samples has no `forecast_coherence`.
    """
    past, future = settings.forecast.past, settings.forecast.future
    generator = torch.Generator().manual_seed(derive_seed(settings.seed, "forecast metrics"))
    best_future, hold, best_sample, movement, true_movement = [], [], [], [], []
    for track in series:
        for start in range(0, len(track) - past - future + 1, past + future):
            observed, truth = track[start : start + past + future].split([past, future])
            best_future.append((predictor.predict(observed, future) - truth).abs().mean())
            hold.append((observed[-1] - truth).abs().mean())
            if not predictor.forecaster.stochastic:
                continue
            samples = predictor.sample(observed, future, 100, generator)
            best_sample.append((samples - truth).abs().mean(dim=(1, 2)).min())
            movement.append(samples.diff(dim=1).abs().mean())
            true_movement.append(truth.diff(dim=0).abs().mean())
    means = {
        "forecast_mae": best_future,
        "forecast_hold_mae": hold,
        "forecast_best_of_100_mae": best_sample,
    }
    metrics = {name: torch.stack(values).mean().item() for name, values in means.items() if values}
    if true_movement:
        metrics["forecast_coherence"] = (sum(movement) / sum(true_movement).clamp_min(1e-9)).item()
    return metrics


def keypoint_series(backbone: MotionBackbone, clips: Sequence[TrainClip]) -> list[torch.Tensor]:
    """Keypoints (T, D) of every clip."""
    return [keypoints_of(backbone, clip.frames) for clip in clips]
