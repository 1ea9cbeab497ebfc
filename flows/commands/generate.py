"""`flawcast generate`: make sample sets of a folder of clips."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from flawcast.configs.clip_settings import LARGEST
from flawcast.configs.errors import SettingsError
from flawcast.configs.settings import Detail, KeepAs, Mode, Motion
from flawcast.flows.commands.base import (
    DeviceOption,
    FutureOption,
    JsonFlag,
    MetricsOption,
    MosaicOption,
    PastOption,
    PrecisionOption,
    QuietFlag,
    SeedOption,
    WorkersOption,
    app,
    display,
    interruptible,
    report,
)

NATIVE = "native"


@app.command(epilog="Example: flawcast generate clips --store store --samples 50 --keep 10")
def generate(
    clips: Annotated[Path, typer.Argument(help="Folder of clips, or one clip.")],
    store: Annotated[str, typer.Option(help="Store to add to; made if absent.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="Model folder, or name of a shipped model. If not given, the clips' own parts are "
            "moved, by a forecaster that is fitted to them and kept in STORE.model."
        ),
    ] = None,
    mode: Annotated[
        Literal[Mode, "both"], typer.Option(help="Whose frame is animated.")
    ] = "reconstruction",
    sources: Annotated[
        Path | None,
        typer.Option(help="Clips to animate in transfer mode; the same clips if not given."),
    ] = None,
    past: PastOption = None,
    future: FutureOption = None,
    samples: Annotated[int, typer.Option(min=2, help="Futures drawn per set.")] = 100,
    keep: Annotated[int, typer.Option(min=2, help="Futures kept, lowest MAE first.")] = 20,
    forecaster: Annotated[
        str | None, typer.Option(help="Refuse a model whose forecaster is another one.")
    ] = None,
    temperature: Annotated[float, typer.Option(min=0.01, help="Scale of the base noise.")] = 1.0,
    motion: Annotated[
        Motion, typer.Option(help="How motion is carried over in transfer mode; avd for TPS alone.")
    ] = "relative",
    adapt_scale: Annotated[
        bool, typer.Option("--adapt-scale", help="Scale that motion to the source's size.")
    ] = False,
    size: Annotated[
        str | None,
        typer.Option(
            help="Longest short side of frames in pixels, or native for the clips' own size. "
            "Without a model 512 if not given; with one its own square, as trained."
        ),
    ] = None,
    detail: Annotated[
        Detail | None,
        typer.Option(
            help="native: the source's own pixels, moved by the model's dense motion; model: the "
            "model's own square picture. Native if not given and --size is above the model's."
        ),
    ] = None,
    windows: Annotated[
        int | None,
        typer.Option(min=1, help="Largest number of windows per clip; all if not given."),
    ] = None,
    masks: Annotated[
        bool, typer.Option("--masks", help="Store masks and their validity beside the videos.")
    ] = False,
    mosaic: MosaicOption = None,
    keep_as: Annotated[
        KeepAs | None,
        typer.Option(
            help="Store pixels, or layers that are drawn when they are read; layers above 256 "
            "pixels if not given, where the model allows it."
        ),
    ] = None,
    defects: Annotated[
        str | None,
        typer.Option(
            metavar="BANK|TYPES",
            help="Put defects of looks on parts: scratch, crack, stain, ... separated by commas, "
            "all, or the folder of a bank. A set's label is then that of its defect.",
        ),
    ] = None,
    defect_share: Annotated[
        float | None, typer.Option(help="Share of the sets with a defect; 0.5 if not given.")
    ] = None,
    severity: Annotated[
        str | None, typer.Option(help="Range within 0 to 1, drawn from; 0.2:1.0 if not given.")
    ] = None,
    defect_size: Annotated[
        str | None,
        typer.Option(help="Range of lengths as shares of the part; the type's own if not given."),
    ] = None,
    where: Annotated[
        Path | None, typer.Option(help="Mask of the frame in which defects may lie.")
    ] = None,
    defect_onset: Annotated[
        str | None,
        typer.Option(
            help="Range of future frames, such as 2:5, in which a defect begins; it grows until "
            "the last one. There from the first frame on if not given."
        ),
    ] = None,
    placebo: Annotated[
        bool | None,
        typer.Option(
            "--placebo/--no-placebo",
            help="Harmless patches on the sets without a defect; on with --defects.",
        ),
    ] = None,
    defect_test: Annotated[
        list[Path] | None,
        typer.Option(help="Stills of the test split: a bank that holds one of them is refused."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Make sets that were forgotten as well.")
    ] = False,
    precision: PrecisionOption = "fp32",
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    ray_address: Annotated[
        str | None, typer.Option(help="A running Ray cluster; one is started if not given.")
    ] = None,
    metrics: MetricsOption = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Sample, render and score futures of every window of every clip, and keep the best.

    With no --model it needs no training: the parts of the clips are cut out and moved at their own
    size and aspect.
    """
    from flawcast.flows.generate.defects.inputs import defects_from_options
    from flawcast.flows.generate.request import request_from_options
    from flawcast.flows.generate.run import generate as run
    from flawcast.flows.schedule.metrics import metrics_after
    from flawcast.generators.model import find_model

    request = request_from_options(
        clips=clips,
        model=None if model is None else find_model(model),
        store=store,
        mode=mode,
        sources=sources,
        forecaster=forecaster,
        size=_pixels(size),
        detail=detail,
        windows=windows,
        masks=masks,
        mosaic=mosaic,
        keep_as=keep_as,
        defects=defects_from_options(
            defects,
            share=defect_share,
            severity=severity,
            size=defect_size,
            where=where,
            onset=defect_onset,
            placebo=placebo,
            test=defect_test or (),
        ),
        again=again,
        workers=workers,
        ray_address=ray_address,
        device=device,
        settings={
            "past": past,
            "future": future,
            "samples": samples,
            "keep": keep,
            "temperature": temperature,
            "transfer": {"mode": motion, "adapt_movement_scale": adapt_scale},
            "seed": seed,
            "precision": precision,
        },
    )
    with interruptible(), metrics_after(store, metrics):
        summary = run(request, display(quiet or as_json))
    report(summary, as_json)


def _pixels(size: str | None) -> int | None:
    """Frame size that an option names; None if it was not given.

    Raises:
        SettingsError: If it is neither a number nor "native".
    """
    if size is None:
        return None
    if size == NATIVE or size.isdecimal():
        return LARGEST if size == NATIVE else int(size)
    raise SettingsError(f"size: expected a number of pixels or {NATIVE}, got {size!r}; give one")
