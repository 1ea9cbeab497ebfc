"""`flawcast augment`: the recipe, made by the machinery of `generate`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.errors import SettingsError
from flawcast.configs.identity import derive_seed
from flawcast.configs.settings import validated
from flawcast.flows.augment.manifest import Manifest, read_manifest
from flawcast.flows.augment.misses import read_misses
from flawcast.flows.augment.plan import plan_augment
from flawcast.flows.augment.request import AugmentRequest
from flawcast.flows.generate.plan import Plan
from flawcast.flows.generate.request import GenerateRequest
from flawcast.flows.generate.run import generate
from flawcast.flows.generate.summary import RunSummary
from flawcast.flows.running.display import Display
from flawcast.generators.model import Model, find_model
from flawcast.storage import SampleStore


@dataclass(frozen=True)
class Augmented:
    """The results of a run: those of `generate`, and the manifest."""

    summary: RunSummary
    manifest: Manifest

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {**self.summary.to_json(), "manifest": self.manifest.to_json()}


def augment(request: AugmentRequest, display: Display | None = None) -> Augmented:
    """Make the samples that serve a detector, except those that the store has already.

    Args:
        request: Clips, model, store and how many samples.
        display: Shows progress; None shows nothing.

    Raises:
        FlawcastError: If clips, model, store or settings cannot be used, or a shard failed.
    """
    if len(request.modes) != 1:
        raise SettingsError(
            f"modes: expected one, got {' and '.join(request.modes)}; leave it at transfer"
        )
    summary = generate(_of_round(request), display, _plan)
    store = SampleStore.open(request.store)
    return Augmented(summary, read_manifest(store, summary.run_id))


def _of_round(request: AugmentRequest) -> AugmentRequest:
    """The request of a round by misses: other scores draw other samples."""
    if request.misses is None:
        return request
    misses = read_misses(request.misses, request.normal)
    seed = derive_seed(request.settings.seed, "misses", misses.id) % 2**31
    settings = request.settings.model_copy(update={"seed": seed})
    return request.model_copy(update={"settings": settings})


def _plan(
    request: GenerateRequest, model: Model, clips: ClipSettings, on_clip: Callable[[str], None]
) -> Plan:
    """Plan the recipe's sets."""
    recipe = cast(AugmentRequest, request)  # `generate` hands it through
    return plan_augment(recipe, model.weights_id, clips, on_clip)


def request_from_options(
    *, model: Path | str | None, settings: dict[str, Any], **values: Any
) -> AugmentRequest:
    """Build a request from command-line options; None for an option that was not given.

    Args:
        model: Model folder, or name of a shipped model; None for the clips' own parts.
        settings: Fields of `GenerateSettings`.
        values: Fields of `AugmentRequest`.

    Raises:
        FlawcastError: If there is no such model, or a value does not fit.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    recipe = AugmentRequest.model_fields["settings"].default.model_dump(exclude_unset=True)
    return validated(
        AugmentRequest,
        {
            "model": None if model is None else find_model(model),
            "settings": recipe | given,
            **{name: value for name, value in values.items() if value is not None},
        },
        "options",
    )
