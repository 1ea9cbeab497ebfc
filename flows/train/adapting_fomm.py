"""Adapts a FOMM's detector and dense motion to a line by self-made pairs; its decoder stays."""

from collections.abc import Sequence
from pathlib import Path

from flawcast.configs.adapt_settings import AdaptTraining
from flawcast.configs.errors import ClipError, SettingsError
from flawcast.configs.settings import TrainSettings
from flawcast.flows.running.display import Display
from flawcast.flows.train.adapting import adapt_on_pairs, clip_objects
from flawcast.flows.train.clips import TrainClip
from flawcast.generators.backbones import MotionBackbone
from flawcast.generators.backbones.fomm import FOMM
from flawcast.generators.training.self_made.learners import FOMMLearner
from flawcast.generators.training.self_made.objects import ClipStock


def adapt_fomm(
    backbone: MotionBackbone,
    training: Sequence[TrainClip],
    test: Sequence[TrainClip],
    settings: TrainSettings,
    workshop: Path,
    display: Display,
) -> dict[str, float]:
    """Adapt a FOMM in place.

    Args:
        backbone: With the weights to begin with, on the device to train on.
        training: Clips to cut parts from, as the model sees them.
        test: Held-out clips.
        settings: With `adapt`.
        workshop: Folder for the checkpoint and the table of losses.
        display: Shows progress.

    Returns:
        Errors on held-out pairs by name.

    Raises:
        SettingsError: If the backbone is no FOMM.
        ClipError: If no clip shows a part that can be cut out.
    """
    if not isinstance(backbone, FOMM):
        raise SettingsError(
            f"adapt: expected backbone fomm or layers, got {backbone.name}; leave --adapt out"
        )
    size = settings.clips.size
    objects = clip_objects(training, size, display)
    if not objects:
        raise ClipError(
            f"clips: expected a part that can be cut out, found none in {len(training)} clips; "
            "use frames in which a part moves before a camera that stands still"
        )
    known = {clip.id for clip in training}
    unseen = clip_objects([clip for clip in test if clip.id not in known], size, display)
    adapt = settings.adapt or AdaptTraining()
    backbone.eval()  # the decoder keeps its means, too
    learner = FOMMLearner(backbone, size, adapt.losses)
    ids = sorted(clip.id for clip in training)
    held_out = ClipStock(unseen or objects)
    adapted = adapt_on_pairs(
        learner, ClipStock(objects), held_out, settings, ids, workshop, display
    )
    return {
        "pairs_error": adapted.error,
        "pairs_error_before": adapted.before,
        "steps": float(adapted.steps),
    }
