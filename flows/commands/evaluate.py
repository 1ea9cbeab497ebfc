"""`flawcast evaluate`: compare forecasters."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flawcast.configs.errors import SettingsError
from flawcast.flows.commands.base import (
    JsonFlag,
    QuietFlag,
    WorkersOption,
    app,
    display,
    interruptible,
)

if TYPE_CHECKING:
    from flawcast.flows.running.display import Display


@app.command(
    epilog="Example: flawcast evaluate keypoints --horizons 12-12 --forecasters all --out compared"
)
def evaluate(
    clips: Annotated[Path, typer.Argument(help="Folder of clips, or of keypoint files (.npz).")],
    model: Annotated[
        str | None, typer.Option(help="Model folder, or a shipped model, that renders.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for results; a run goes on where it stopped.")
    ] = Path("evaluation"),
    dataset: Annotated[
        str | None, typer.Option(help="mgif, bair, vox or a YAML file: brings the horizons.")
    ] = None,
    horizons: Annotated[
        str | None,
        typer.Option(
            help="Past and future frames, or times such as 0.5s-1s, several with commas. "
            "[default: 12-12,6-24]"
        ),
    ] = None,
    modes: Annotated[
        str, typer.Option(help="reconstruction, transfer, or both with a comma.")
    ] = "reconstruction,transfer",
    forecasters: Annotated[
        str, typer.Option(help="all, or names with commas; NAME:PRESET for published sizes.")
    ] = "all",
    diverse: Annotated[
        str | None,
        typer.Option(help="Forecasters whose samples are rendered. [default: vrnn,gru_nf]"),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="A further metric of those samples, by its name. Repeatable."),
    ] = None,
    samples: Annotated[int, typer.Option(min=2, help="Futures drawn per window.")] = 100,
    keep: Annotated[int, typer.Option(min=2, help="Futures kept: the closest.")] = 20,
    windows: Annotated[
        int | None, typer.Option(min=1, help="Largest number of windows per test clip.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=16, help="Frame size, instead of the model's or of the clips' own."),
    ] = None,
    held_out: Annotated[
        float, typer.Option(help="Share of the clips to test on, if no split is given.")
    ] = 0.25,
    group: Annotated[
        str | None,
        typer.Option(help="Regular expression: what in a name must not be on both sides."),
    ] = None,
    encoder: Annotated[
        Path | None, typer.Option(help="Published V-JEPA encoder, for JEDi.")
    ] = None,
    probe: Annotated[Path | None, typer.Option(help="Published V-JEPA attentive probe.")] = None,
    published: Annotated[
        list[str] | None,
        typer.Option(help="vrnn=FILE or vae=FILE of the paper's authors, on keypoint files."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Trainings of each forecaster, without --model.")
    ] = 3,
    fold: Annotated[
        list[str] | None, typer.Option(help="Without --model: this fold, not all. Repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random choices, with --model.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Largest number of training epochs.")
    ] = None,
    workers: WorkersOption = None,
    ray_address: Annotated[str | None, typer.Option(help="A running Ray cluster.")] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare forecasters with each other and with repeating the last frame.

    With --model, by what they render: the paper's tables. Without, by keypoints, cross-validated:
    those of keypoint files, or of the parts of clips, which are followed with nothing trained.
    """
    from flawcast.flows.evaluation.horizon import horizons as read_horizons

    shared: dict[str, Any] = {
        "out": out,
        "horizons": None if horizons is None else read_horizons(horizons),
        "forecasters": forecasters,
        "samples": samples,
        "keep": keep,
        "group": group,
        "recipe": {} if epochs is None else {"epochs": epochs},
        "workers": workers,
        "ray_address": ray_address,
    }
    on_clips = {
        "dataset": dataset,
        "modes": tuple(part.strip() for part in modes.split(",")),
        "diverse": None
        if diverse is None
        else tuple(part.strip() for part in diverse.split(",") if part.strip()),
        "metrics": tuple(metric or ()),
        "windows": windows,
        "size": size,
        "held_out": held_out,
        "seed": seed,
        "features": {"encoder": encoder, "probe": probe},
    }
    with interruptible("finished parts are in the folder, the same command goes on"):
        if model is None:
            if dataset is not None:
                raise SettingsError(
                    "dataset: goes with --model, for clips; name --horizons of keypoint files"
                )
            if metric:
                raise SettingsError(
                    "metric: goes with --model, for clips; name one, or leave it out"
                )
            values = {**shared, "keypoints": clips, "seeds": seeds, "size": size}
            values["folds"] = tuple(fold or ())
            values["published"] = tuple(_named_file(text) for text in published or ())
            report = _on_keypoints(values, display(quiet or as_json))
        else:
            values = {**shared, **on_clips, "clips": clips}
            report = _on_clips(values, model, display(quiet or as_json))
    typer.echo(json.dumps(report) if as_json else (out / "report.md").read_text())


def _named_file(text: str) -> tuple[str, Path]:
    """Read NAME=FILE."""
    name, separator, file = text.partition("=")
    if not separator or name not in ("vrnn", "vae"):
        raise SettingsError(f"published: expected vrnn=FILE or vae=FILE, got {text!r}")
    return name, Path(file)


def _on_keypoints(values: dict[str, Any], show: "Display") -> dict[str, Any]:
    """Compare by keypoints, of files or of clips whose parts are followed."""
    from flawcast.configs.settings import validated
    from flawcast.flows.evaluation.on_keypoints.followed import write_followed
    from flawcast.flows.evaluation.on_keypoints.run import KeypointRequest, evaluate_keypoints
    from flawcast.flows.generate.request import usable_cores
    from flawcast.flows.generate.seconds import in_frames
    from flawcast.generators.clips.keypoint_files import has_keypoints

    size = values.pop("size")
    given = {key: value for key, value in values.items() if value is not None}
    request = validated(KeypointRequest, given, "options")
    if not has_keypoints(request.keypoints):
        cores = usable_cores() if values["workers"] is None else values["workers"]
        wanted = tuple(in_frames(horizon, request.keypoints) for horizon in request.horizons)
        followed = write_followed(request.keypoints, request.out, size, cores, show.say)
        request = request.model_copy(update={"keypoints": followed, "horizons": wanted})
    elif size is not None:
        raise SettingsError("size: goes with clips, found keypoint files; leave it out")
    with show.stages() as on_done:
        return evaluate_keypoints(request, on_done, show.left_out)


def _on_clips(values: dict[str, Any], model: str, show: "Display") -> dict[str, Any]:
    """Compare by rendering."""
    from flawcast.configs.settings import validated
    from flawcast.flows.evaluation.by_rendering.run import RenderRequest, evaluate_rendering
    from flawcast.generators.model import find_model

    values = {**values, "model": find_model(model)}
    given = {key: value for key, value in values.items() if value is not None}
    request = validated(RenderRequest, given, "options")
    with show.stages() as on_done:
        return evaluate_rendering(request, on_done, show.left_out)
