"""From clips to a model folder: motion model, then keypoints, then forecaster."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flawcast.configs.errors import ModelError
from flawcast.configs.model_card import read_card
from flawcast.configs.settings import TrainSettings
from flawcast.flows.generate.seconds import in_frames, with_rates
from flawcast.flows.inspection import show_folder
from flawcast.flows.pictures.reconstruction_sheet import SHEET, reconstruction_sheet
from flawcast.flows.running.display import Display
from flawcast.flows.train.adapting import train_layers
from flawcast.flows.train.adapting_fomm import adapt_fomm
from flawcast.flows.train.card import model_card, workshop_of
from flawcast.flows.train.clips import TrainClip, read_clips, split_clips
from flawcast.flows.train.forecaster import forecast_metrics, keypoint_series, train_forecaster
from flawcast.flows.train.motion import LOSSES, train_disentanglement, train_motion
from flawcast.flows.train.summary import TrainSummary
from flawcast.generators.backbones import MotionBackbone, build_backbone, load_backbone
from flawcast.generators.backbones.base import start_from
from flawcast.generators.clips import Reject
from flawcast.generators.forecasters import KeypointPredictor
from flawcast.generators.line.clips import SECONDS as LINE_SECONDS
from flawcast.generators.model import (
    add_forecaster,
    check_free,
    find_model,
    has_forecaster,
    save_model,
)
from flawcast.generators.rendering.devices import pick_device
from flawcast.generators.training.motion import reconstruction_error


def train(
    clips: Path | None,
    settings: TrainSettings,
    out: Path,
    display: Display | None = None,
    device: str = "auto",
) -> TrainSummary:
    """Train a model on a folder of clips, or on the built-in line if the preset has one.

    The backbone `layers` learns a detector of parts, on self-made pairs; FOMM does so, too, if
    the settings say how to adapt it.

    Args:
        clips: Folder of clips; None for the preset's built-in line.
        settings: The settings, usually of a preset.
        out: Model folder to write; new or empty.
        display: Shows progress; None shows nothing.
        device: Where the motion model is trained, as PyTorch names it; "auto" for a GPU if
            there is one.

    Returns:
        The model's folder and its errors on the test clips.

    Raises:
        FlawcastError: If the clips, the settings or the folder cannot be used.
    """
    display = display or Display.silent()
    began = time.perf_counter()
    check_free(out)
    settings = _in_frames(settings, clips)
    if settings.backbone.name == "layers":
        return train_layers(clips, settings, out, display, device)
    torch_device = pick_device(device)
    rejects: list[Reject] = []
    if clips is not None:
        show_folder(clips, display, learning=True)
    everything = read_clips(clips, settings, rejects, display)
    training, validation, test = split_clips(everything, settings)
    backbone = build_backbone(settings.backbone.name, settings.backbone.config, settings.seed)
    if settings.start is not None:
        start_from(backbone, find_model(settings.start))
    backbone.to(torch_device)
    workshop = workshop_of(out)
    found: dict[str, float] = {}
    if settings.adapt is None:
        train_motion(backbone, training, test, settings, workshop, display)
    else:
        found = adapt_fomm(backbone, training, test, settings, workshop, display)
    train_disentanglement(backbone, training, settings, workshop, display)
    backbone.to("cpu")  # the rest is small, and on the CPU equal on every machine
    predictor, metrics = measure_and_fit(
        backbone, (training, validation, test), settings, display, workshop
    )
    metrics |= found
    card = model_card(settings, training, test, metrics, time.perf_counter() - began)
    save_model(out, backbone, predictor, card)
    (workshop / LOSSES).replace(out / LOSSES)
    shutil.rmtree(workshop)
    reconstruction_sheet(backbone, [clip.frames for clip in test], out / SHEET)
    return TrainSummary(
        out, len(training), len(test), metrics, tuple(rejects), time.perf_counter() - began
    )


def fit(
    clips: Path | None,
    model: Path,
    changes: dict[str, Any],
    out: Path | None = None,
    display: Display | None = None,
) -> TrainSummary:
    """Fit a forecaster to the keypoints that a model finds in clips; its motion model stays.

    Args:
        clips: Folder of clips; None for the built-in line of a model that was trained on it.
        model: Model folder, an imported one for instance.
        changes: Settings that differ from the model's own, by dotted path.
        out: Model folder to write; None adds the forecaster to a model that has none.
        display: Shows progress; None shows nothing.

    Returns:
        The model's folder and its errors on the test clips.

    Raises:
        FlawcastError: If the clips, the settings or a folder cannot be used, or the model has a
            forecaster already and `out` is not given.
    """
    display = display or Display.silent()
    began = time.perf_counter()
    before = read_card(model)
    if out is not None:
        check_free(out)
    elif has_forecaster(model):
        raise ModelError(f"model: {model} has a forecaster already; name a new folder with --out")
    settings = before.settings.overridden(changes)
    rejects: list[Reject] = []
    if clips is not None:
        show_folder(clips, display, learning=True)
    everything = read_clips(clips, settings, rejects, display)
    training, validation, test = split_clips(everything, settings)
    backbone, folder = load_backbone(model), out or model
    workshop = workshop_of(folder)
    predictor, metrics = measure_and_fit(
        backbone, (training, validation, test), settings, display, workshop
    )
    card = model_card(settings, training, test, metrics, time.perf_counter() - began).model_copy(
        update={"motion_clips": before.learnt_by_motion_model, "imported": before.imported}
    )
    if out is None:
        add_forecaster(model, predictor, card)
    else:
        save_model(out, backbone, predictor, card)
    shutil.rmtree(workshop)
    reconstruction_sheet(backbone, [clip.frames for clip in test], folder / SHEET)
    return TrainSummary(
        folder, len(training), len(test), metrics, tuple(rejects), time.perf_counter() - began
    )


def _in_frames(settings: TrainSettings, clips: Path | None) -> TrainSettings:
    """The settings with frames for windows that are asked for in seconds.

    Raises:
        SettingsError: If the clips share no such number of frames.
    """
    if clips is None and settings.line is not None:
        rates = {"the built-in line": settings.line.frames / LINE_SECONDS}
        forecast = with_rates(settings.forecast, rates)
    elif clips is not None:
        forecast = in_frames(settings.forecast, clips, settings.clips.stride)
    else:
        return settings  # refused when the clips are read
    return settings.model_copy(update={"forecast": forecast})


def measure_and_fit(
    backbone: MotionBackbone,
    sides: tuple[Sequence[TrainClip], ...],
    settings: TrainSettings,
    display: Display,
    workshop: Path,
) -> tuple[KeypointPredictor, dict[str, float]]:
    """Measure a motion model on test clips, then fit a forecaster and measure it as well.

    `sides` is the result of `split_clips`.
    """
    training, validation, test = sides
    motion = reconstruction_error(backbone, [clip.frames for clip in test])
    predictor = train_forecaster(backbone, training, validation, settings, display, workshop)
    return predictor, {
        "reconstruction_mae": motion.model,
        "copy_first_frame_mae": motion.copy,
        **forecast_metrics(predictor, keypoint_series(backbone, test), settings),
    }
