"""The request of `flawcast generate`, as a user makes it."""

import os
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from flawcast.configs.clip_settings import LARGEST, ClipSettings, Mosaic
from flawcast.configs.defect_settings import DefectSettings
from flawcast.configs.errors import SettingsError
from flawcast.configs.model_card import Card, read_card
from flawcast.configs.settings import Detail, GenerateSettings, KeepAs, Mode, Settings, validated
from flawcast.generators.model import find_model


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class GenerateRequest(Settings):
    """Where to read and write, and how; `settings` alone decides what a set holds.

    Args:
        clips: Folder of clips, or one clip.
        model: Model folder, or name of a shipped model; None for the clips' own parts and a
            forecaster that is fitted to them, kept beside the store.
        store: Path or URL of the store; created if absent.
        sources: Folder of clips to animate in transfer mode; None for the same clips.
        modes: "reconstruction", "transfer" or both.
        settings: What a set holds; past and future default to those of the model's training.
        size: Frame size; None for the size that the model was trained at. Without a model it is
            the longest short side, 512 if None.
        detail: "native" draws with the source's own pixels, moved by the model's dense motion, in
            the clips' own aspect; "model" is the model's own picture, as in the paper; None for
            native where `size` is above the size of the model's training.
        mosaic: Order of the colours in raw pictures of a colour camera; None for what names say.
        windows: Largest number of windows per clip, evenly spread; None for all.
        masks: Whether every kept video gets masks and their validity.
        keep_as: "pixels", or "layers" for what videos are drawn from when they are read; None for
            layers where the short side is above 256 pixels and the model's videos can be drawn
            without it. No id depends on it.
        defects: Defects of looks that are put on parts; None for none.
        again: Whether sets that were forgotten are made again.
        workers: Ray worker processes, if the run starts Ray; 0 makes the sets in this
            process, without Prefect and Ray: for debugging, small runs and notebooks.
        ray_address: A running Ray cluster; None starts one on this machine.
        task_cpus: Cores that a running cluster keeps for each worker; a fraction lets workers
            share one.
        task_gpus: GPUs that Ray keeps for each worker; None for an equal share (0 on a CPU).
        device: Where workers render: "auto" for a GPU if there is one.
        threads: Torch threads of each worker.
        set_seconds: How long one set may take; None for no limit.
    """

    clips: Path
    model: Path | None = None
    store: str
    sources: Path | None = None
    modes: tuple[Mode, ...] = ("reconstruction",)
    settings: GenerateSettings = GenerateSettings()
    size: int | None = Field(default=None, ge=16, le=LARGEST)
    detail: Detail | None = None
    mosaic: Mosaic | None = None
    windows: int | None = Field(default=None, ge=1)
    masks: bool = False
    keep_as: KeepAs | None = None
    defects: DefectSettings | None = None
    again: bool = False
    workers: int = Field(default_factory=usable_cores, ge=0)
    ray_address: str | None = None
    task_cpus: float = Field(default=1, ge=0)
    task_gpus: float | None = Field(default=None, ge=0)
    device: str = "auto"
    threads: int = Field(default=1, ge=1)
    set_seconds: float | None = Field(default=3600, gt=0)

    @property
    def folder(self) -> Path:
        """The model's folder.

        Raises:
            SettingsError: If the request names no model and has got none yet.
        """
        if self.model is None:
            raise SettingsError("model: expected a model folder, got none; name one")
        return find_model(self.model)

    def as_said(self, clips: ClipSettings) -> ClipSettings:
        """How a model reads clips, with what the user says of them."""
        return clips if self.mosaic is None else clips.model_copy(update={"mosaic": self.mosaic})

    def gpus_per_worker(self) -> float:
        """GPUs that Ray reserves for each worker; a worker with none reserved sees no GPU."""
        if self.task_gpus is not None:
            return self.task_gpus
        gpus = torch.cuda.device_count()
        if self.device == "cpu" or (self.device == "auto" and not gpus):
            return 0
        return min(1.0, gpus / max(1, self.workers)) if gpus else 1.0


def as_trained(request: GenerateRequest, card: Card | None = None) -> GenerateRequest:
    """Make a request's paths absolute and take a horizon that it does not set from the model.

    Args:
        request: A request that names a model.
        card: The model's card; None reads it.

    Raises:
        ModelError: If the model cannot be read.
    """
    model = request.folder
    trained = (card or read_card(model)).settings.forecast
    open_still = {"past", "future"} - request.settings.model_fields_set
    open_still -= set(request.settings.open_parts)  # the clips decide
    settings = request.settings.model_copy(
        update={name: getattr(trained, name) for name in open_still}
    )
    defects = request.defects
    if defects is not None:
        own = {name: getattr(defects, name) for name in ("bank", "where")}
        own = {name: path and path.absolute() for name, path in own.items()}
        defects = defects.model_copy(update=own)
    paths = {
        "clips": request.clips.absolute(),
        "sources": request.sources and request.sources.absolute(),
        "model": model.absolute(),
        "defects": defects,
    }
    return request.model_copy(update={**paths, "settings": settings})


def _expect_forecaster(model: Path, wanted: str | None) -> None:
    """Refuse a model that cannot be read, or whose forecaster has another name.

    Raises:
        FlawcastError: If so.
    """
    trained = read_card(model).settings.forecaster.name
    if wanted not in (None, trained):
        raise SettingsError(
            f"forecaster: expected {wanted}, {model} holds {trained}; "
            "name its own or train another model"
        )


def request_from_options(
    *,
    clips: Path,
    model: Path | None,
    store: str,
    mode: str,
    settings: dict[str, Any],
    sources: Path | None = None,
    forecaster: str | None = None,
    size: int | None = None,
    detail: Detail | None = None,
    mosaic: Mosaic | None = None,
    windows: int | None = None,
    masks: bool = False,
    keep_as: KeepAs | None = None,
    defects: DefectSettings | None = None,
    again: bool = False,
    workers: int | None = None,
    ray_address: str | None = None,
    device: str = "auto",
) -> GenerateRequest:
    """Build a request from command-line options; options that were not given get the defaults.

    Args:
        clips: As in `GenerateRequest`.
        model: As in `GenerateRequest`.
        store: As in `GenerateRequest`.
        mode: "reconstruction", "transfer" or "both".
        settings: Fields of `GenerateSettings`; None for an option that was not given.
        sources: As in `GenerateRequest`.
        forecaster: Refuse a model whose forecaster has another name.
        size: As in `GenerateRequest`.
        detail: As in `GenerateRequest`.
        mosaic: As in `GenerateRequest`.
        windows: As in `GenerateRequest`.
        masks: As in `GenerateRequest`.
        keep_as: As in `GenerateRequest`.
        defects: As in `GenerateRequest`.
        again: As in `GenerateRequest`.
        workers: As in `GenerateRequest`; None for one per core.
        ray_address: As in `GenerateRequest`.
        device: As in `GenerateRequest`.

    Raises:
        FlawcastError: If the model cannot be read, has another forecaster, or a value does not fit.
    """
    if model is not None:
        _expect_forecaster(model, forecaster)
    elif forecaster is not None:
        raise SettingsError(
            f"forecaster: without --model it is fitted to the clips, got {forecaster}; leave it "
            "out, or name a model that holds it"
        )
    values: dict[str, Any] = {
        "clips": clips,
        "model": model,
        "store": store,
        "sources": sources,
        "modes": ("reconstruction", "transfer") if mode == "both" else (mode,),
        "settings": {name: value for name, value in settings.items() if value is not None},
        "size": size,
        "detail": detail,
        "mosaic": mosaic,
        "windows": windows,
        "masks": masks,
        "keep_as": keep_as,
        "defects": defects,
        "again": again,
        "ray_address": ray_address,
        "device": device,
    }
    if workers is not None:
        values["workers"] = workers
    return validated(GenerateRequest, values, "options")
