"""A store of sets that were made in this process: what a run makes, without Prefect and Ray."""

from collections.abc import Sequence
from pathlib import Path

from flawcast.configs.settings import GenerateSettings
from flawcast.flows.generate.plan import plan_sets
from flawcast.flows.generate.sample_set import SetRequest, make_set
from flawcast.generators.model import load_model
from flawcast.storage import SampleStore


def make_store(
    clips: Path,
    model: Path,
    store: Path,
    settings: GenerateSettings,
    modes: Sequence[str] = ("reconstruction",),
    masks: bool = False,
) -> SampleStore:
    """Make and commit all sets of a folder of clips, as one run of the ledger."""
    loaded, opened = load_model(model), SampleStore.open(store, "a")
    read = loaded.clip_settings()
    request = SetRequest(settings, read, "run-0", "0")
    plans = plan_sets(clips, None, modes, settings, read, loaded.weights_id, masks=masks).sets
    with opened.ledger.run("run-0", settings.model_dump(mode="json"), len(plans)) as entry:
        for plan in plans:
            opened.commit(make_set(plan, loaded, request))
        entry.count(len(plans), 0, 0)
    return opened
