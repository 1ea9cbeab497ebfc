"""What `augment` will make: sets of every label, planned before anything is rendered."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.driving import Driving
from flawcast.configs.errors import ClipError
from flawcast.configs.labels import check_normal
from flawcast.flows.augment.choosing import Pair, in_turn, order_seed, pair_up
from flawcast.flows.augment.guide import Guide
from flawcast.flows.augment.looks import labels_of, with_looks
from flawcast.flows.augment.request import AugmentRequest
from flawcast.flows.generate.plan import Plan, SetPlan, SourceFrame, planned_id
from flawcast.flows.generate.reading import ReadClip, read_clips
from flawcast.flows.inspection import same_bytes
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
        FlawcastError: If no clip can be used, or none of them is good.
    """
    rejects: list[Reject] = []
    notes: list[Reject] = []
    held_out = _held_out(request)
    split = TRAIN if held_out else None
    read = read_clips(request.clips, clips, request.settings, rejects, on_clip, False, notes, split)
    if request.only is not None:
        chosen = set(request.only)
        read = [clip for clip in read if clip.clip_id in chosen]
    check_normal(request.normal, [clip.entry.label for clip in read])
    labels = _labels(read, request.normal)
    looks = [label for label in labels_of(request.defects) if label not in labels]
    guide = None if request.misses is None else Guide.of(request, clips, [*labels, *looks])
    sets = {
        label: [
            _plan_set(pair, request, weights_id) for pair in _pairs(read, label, request, guide)
        ]
        for label in labels
    }
    if request.defects is not None:
        good = [
            _plan_set(pair, request, weights_id)
            for pair in _pairs(read, request.normal, request, guide, tuple(looks))
        ]
        sets = with_looks(
            sets,
            good,
            request.defects,
            request.settings,
            weights_id,
            **({} if guide is None else _guided(guide, request)),
        )
    record: dict[str, Any] = {
        "labels": list(sets),  # in order: the record sorts names
        "requested": {label: _videos(request) * len(plans) for label, plans in sets.items()},
        "held_out": held_out,
        "sets": {label: [plan.set_id for plan in plans] for label, plans in sets.items()},
    }
    if guide is not None:
        record["misses"] = guide.record()
    if held_out:
        said = ", ".join(f"{count} of the split {name}" for name, count in held_out.items())
        notes.append(Reject("clips that are not used", f"{said}; samples come from train alone"))
    every = {plan.set_id: plan for plans in sets.values() for plan in plans}
    return Plan(tuple(every.values()), tuple(rejects), tuple(notes), {RECORD: record})


def _held_out(request: AugmentRequest) -> dict[str, int]:
    """Clips that are not for training, by split.

    Raises:
        ClipError: If a copy of one is for training.
    """
    entries = list_clips(request.clips)
    counts = Counter(entry.split for entry in entries)
    split_of = {entry.name: entry.split for entry in entries}
    for names in same_bytes(tuple(entries)):
        if len({split_of[name] for name in names}) > 1:
            said = " and ".join(f"{name} ({split_of[name]})" for name in names[:2])
            raise ClipError(
                f"clips: expected others to learn from than to test on, {said} hold the same "
                "bytes; remove one"
            )
    if not counts[TEST] and not counts[VALIDATION]:
        return {}
    return {name: count for name, count in sorted(counts.items()) if name != TRAIN}


def _labels(clips: Sequence[ReadClip], normal: str) -> list[str]:
    """Labels, that of good clips first."""
    return [normal, *sorted({clip.entry.label for clip in clips} - {normal})]


def _pairs(
    clips: Sequence[ReadClip],
    label: str,
    request: AugmentRequest,
    guide: Guide | None,
    looks: tuple[str, ...] | None = None,
) -> list[Pair]:
    """Motions of a label on their sources.

    Args:
        clips: Clips to train on.
        label: The motions' label.
        request: What is asked for.
        guide: What a round draws; None for even draws.
        looks: Labels of the looks that the pairs are for, which gives them another order.
    """
    what = "" if looks is None else "defects"
    settings, is_good = request.settings, label == request.normal
    horizon = settings.past, settings.future
    own = [clip for clip in clips if clip.entry.label == label]
    motions = in_turn(own, *horizon, is_good, order_seed(settings.seed, f"{what}motions", label))
    videos = request.per_label
    if guide is not None:
        videos = max(guide.videos[one] for one in (looks or (label,)))
        motions = motions if looks else guide.nearest(motions, label)
    count = -(-videos // _videos(request))
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
    sources = in_turn(good, *horizon, True, order_seed(settings.seed, f"{what}sources", label))
    if guide is not None and not looks:
        sources = guide.nearest(sources, label)
    return list(pair_up(motions, sources, count, Counter()))


def _guided(guide: Guide, request: AugmentRequest) -> dict[str, Any]:
    """What a guide says to `with_looks`."""
    counts = {label: count // _videos(request) for label, count in guide.videos.items()}
    return {"narrowed": guide.looks, "counts": counts}


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
    motion, source = pair.motion.clip, pair.source.clip
    frame = SourceFrame(
        source.entry, source.clip_id, pair.source.window.start, source.length, source.size
    )
    plan = SetPlan(
        "", motion.entry, motion.clip_id, pair.motion.window, frame, mode, driving=driving
    )
    return replace(plan, set_id=planned_id(plan, settings, weights_id))
