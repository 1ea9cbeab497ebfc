"""What `augment` will make: sets of every label, planned before anything is rendered."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.driving import Driving
from flawcast.configs.errors import ClipError
from flawcast.configs.identity import sample_set_id
from flawcast.configs.labels import check_normal
from flawcast.flows.augment.choosing import Pair, in_turn, order_seed, pair_up
from flawcast.flows.augment.request import AugmentRequest
from flawcast.flows.generate.plan import Plan, ReadClip, SetPlan, SourceFrame, read_clips
from flawcast.generators.clips import Reject, list_clips
from flawcast.generators.clips.listing import TEST, TRAIN, VALIDATION

RECORD = "augment"  # key of the run's record


def plan_augment(
    request: AugmentRequest,
    weights_id: str,
    clips: ClipSettings,
    on_clip: Callable[[str], None] = lambda name: None,
) -> Plan:
    """List the sets of every label.

    Args:
        request: What is asked for; past and future are known.
        weights_id: The model's id.
        clips: How clips are read.
        on_clip: Called with the name of each clip that was read.

    Raises:
        FlawcastError: If no clip can be used, or no good one is among them.
    """
    rejects: list[Reject] = []
    notes: list[Reject] = []
    held_out = _held_out(request)
    minimum = request.settings.past + request.settings.future
    split = TRAIN if held_out else None
    read = read_clips(request.clips, clips, minimum, rejects, on_clip, False, notes, split)
    if request.only is not None:
        chosen = set(request.only)
        read = [clip for clip in read if clip.clip_id in chosen]
    check_normal(request.normal, [clip.entry.label for clip in read])
    sets: dict[str, list[SetPlan]] = {}
    for label in _labels(read, request.normal):
        sets[label] = [
            _plan_set(pair, request, weights_id) for pair in _pairs(read, label, request)
        ]
    record: dict[str, Any] = {
        "requested": {label: sum(_videos(request) for _ in plans) for label, plans in sets.items()},
        "held_out": held_out,
        "sets": {label: [plan.set_id for plan in plans] for label, plans in sets.items()},
    }
    if held_out:
        said = ", ".join(f"{count} of the split {name}" for name, count in held_out.items())
        notes.append(Reject("clips that are not used", f"{said}; samples come from train alone"))
    every = {plan.set_id: plan for plans in sets.values() for plan in plans}
    return Plan(tuple(every.values()), tuple(rejects), tuple(notes), {RECORD: record})


def _held_out(request: AugmentRequest) -> dict[str, int]:
    """Clips that are not for training, by split."""
    counts = Counter(entry.split for entry in list_clips(request.clips))
    if not counts[TEST] and not counts[VALIDATION]:
        return {}
    return {name: count for name, count in sorted(counts.items()) if name != TRAIN}


def _labels(clips: Sequence[ReadClip], normal: str) -> list[str]:
    """Labels, that of good clips first."""
    return [normal, *sorted({clip.entry.label for clip in clips} - {normal})]


def _pairs(clips: Sequence[ReadClip], label: str, request: AugmentRequest) -> list[Pair]:
    """Motions of a label on their sources."""
    settings, is_good = request.settings, label == request.normal
    horizon = settings.past, settings.future
    own = [clip for clip in clips if clip.entry.label == label]
    motions = in_turn(own, *horizon, is_good, order_seed(settings.seed, "motions", label))
    count = -(-request.per_label // _videos(request))
    if "reconstruction" in request.modes:
        return [
            Pair(
                motions[number % len(motions)],
                motions[number % len(motions)],
                number // len(motions),
            )
            for number in range(count)
        ]
    good = [clip for clip in clips if clip.entry.label == request.normal]
    if is_good and len(good) < 2:
        raise ClipError(
            f"clips: expected at least two good ones to train on, one to move as the other, got "
            f"{len(good)} with the label {request.normal}; add clips"
        )
    sources = in_turn(good, *horizon, True, order_seed(settings.seed, "sources", label))
    return list(pair_up(motions, sources, count, Counter()))


def _videos(request: AugmentRequest) -> int:
    """Videos of a set."""
    return request.settings.samples


def _plan_set(pair: Pair, request: AugmentRequest, weights_id: str) -> SetPlan:
    """Plan one set; a pair that comes again holds sampled futures alone: its real motion is there.

    Args:
        pair: A motion and a source.
        request: Everything else.
        weights_id: The model's id.
    """
    mode = request.modes[0]
    real = 0 if pair.turn or mode == "reconstruction" else request.driving.real
    driving = Driving(real=real, drawn=request.driving.drawn, turn=pair.turn)
    settings = request.settings.model_copy(update={"driving": driving})
    motion, source = pair.motion, pair.source
    window = motion.window
    set_id = sample_set_id(
        motion.clip.clip_id,
        (window.start, window.past, window.future),
        source.key,
        mode,
        weights_id,
        settings.model_dump(mode="json"),
    )
    frame = SourceFrame(
        source.clip.entry, source.clip.clip_id, source.window.start, source.clip.length
    )
    return SetPlan(
        set_id, motion.clip.entry, motion.clip.clip_id, window, frame, mode, driving=driving
    )
