"""`flawcast augment`: make the samples that serve a detector."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flawcast.configs.settings import KeepAs
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
    console,
    display,
    interruptible,
)


@app.command(epilog="Example: flawcast augment clips --store training --per-label 40")
def augment(
    clips: Annotated[Path, typer.Argument(help="Folder of clips with labels.")],
    store: Annotated[str, typer.Option(help="Store to add to; made if absent.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="Model folder, or name of a shipped model. If not given, the clips' own parts are "
            "moved, by a forecaster that is fitted to them and kept in STORE.model."
        ),
    ] = None,
    per_label: Annotated[int, typer.Option(min=2, help="Videos of each label.")] = 40,
    normal: Annotated[str, typer.Option(help="Label of good clips.")] = "normal",
    defects: Annotated[
        str | None,
        typer.Option(
            help="Defects of looks, each a label of its own on good parts: types, all, or the "
            "folder of a bank. All other videos get placebos."
        ),
    ] = None,
    severity: Annotated[
        str | None, typer.Option(help="Range of their severity, such as 0.2:1.0.")
    ] = None,
    placebo: Annotated[
        bool | None,
        typer.Option("--placebo/--no-placebo", help="Harmless patches on all other videos."),
    ] = None,
    defect_test: Annotated[
        list[Path] | None,
        typer.Option(help="Stills of the test split: a bank that holds one is refused."),
    ] = None,
    misses: Annotated[
        Path | None,
        typer.Option(
            help="A detector's scores.csv of clips to validate on: more is drawn of what it misses."
        ),
    ] = None,
    past: PastOption = None,
    future: FutureOption = None,
    size: Annotated[
        int | None, typer.Option(min=16, help="Longest short side of frames in pixels.")
    ] = None,
    mosaic: MosaicOption = None,
    keep_as: Annotated[
        KeepAs | None,
        typer.Option(help="Store pixels, or layers that are drawn when they are read."),
    ] = None,
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
    """Make training data for a detector: as many videos of every label, from clips of train alone.

    Every motion of a label is put on frames of many good clips. Half of the videos move as a real
    clip did, half as a sampled future near to it.
    """
    from flawcast.flows.augment.manifest import print_manifest
    from flawcast.flows.augment.run import augment as run
    from flawcast.flows.augment.run import request_from_options
    from flawcast.flows.generate.defects.inputs import defects_from_options
    from flawcast.flows.generate.summary import print_summary
    from flawcast.flows.schedule.metrics import metrics_after

    request = request_from_options(
        clips=clips,
        model=model,
        store=store,
        per_label=per_label,
        normal=normal,
        misses=misses,
        size=size,
        mosaic=mosaic,
        keep_as=keep_as,
        workers=workers,
        ray_address=ray_address,
        device=device,
        defects=defects_from_options(
            defects, severity=severity, placebo=placebo, test=defect_test or ()
        ),
        settings={"past": past, "future": future, "seed": seed, "precision": precision},
    )
    with interruptible(), metrics_after(store, metrics):
        done = run(request, display(quiet or as_json))
    if as_json:
        typer.echo(json.dumps(done.to_json()))
    else:
        print_summary(done.summary, console())
        print_manifest(done.manifest, console())
