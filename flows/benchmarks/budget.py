"""What a budget of kept futures buys: APD of the closest k and of the most diverse k."""

import tempfile
from pathlib import Path

import numpy as np

from flawcast.configs.clip_settings import ClipSettings
from flawcast.configs.settings import GenerateSettings
from flawcast.flows.benchmarks.base import BENCHMARKS, BenchmarkRequest, OnDone, Report, alone
from flawcast.flows.generate.plan import plan_sets
from flawcast.flows.generate.sample_set import SetRequest, make_set
from flawcast.flows.query.diverse import shrunk
from flawcast.generators.line.clips import draw_line, write_line
from flawcast.generators.model import find_model, load_model
from flawcast.selection.diverse import most_diverse
from flawcast.selection.metrics.apd import pairwise_displacements

FRAMES = 24
BUDGETS = (2, 3, 5, 10, 20, 40)
BOUNDS = {"half": 0.5, "three quarters": 0.75, "all": 1.0}  # share of the futures under the bound


@BENCHMARKS.register("budget")
@alone("its table is about a model")
def budget(request: BenchmarkRequest, on_done: OnDone) -> Report:
    """APD against k for the k closest futures and for the k most diverse under an error bound.

    The bound is the MAE under which half, three quarters or all of a set's futures lie. Beside each
    APD stands the MAE that it costs.
    """
    model = load_model(find_model(request.model))
    size, horizon = model.clip_settings().size, model.card.settings.forecast
    settings = GenerateSettings(
        past=horizon.past,
        future=horizon.future,
        samples=request.samples,
        keep=request.samples,
    )
    budgets = [k for k in BUDGETS if k <= request.samples // 2]
    found: dict[tuple[int, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        clips = draw_line(request.clips_per_state, request.seed, FRAMES, size)
        line, read = write_line(Path(folder), clips), ClipSettings(size=size)
        modes = ("reconstruction",)
        plan = plan_sets(line, None, modes, settings, read, model.weights_id, 1)
        for done, item in enumerate(plan.sets, start=1):
            made = make_set(item, model, SetRequest(settings, read, "benchmark", "0"))
            apart = pairwise_displacements(np.stack([shrunk(video) for video in made.videos]))
            errors = made.mae[made.indices].astype(np.float64)  # ascending
            for k in budgets:
                choices = {"closest": np.arange(k)}
                for name, share in BOUNDS.items():
                    under = max(k, round(share * len(errors)))
                    choices[name] = most_diverse(apart[:under, :under], errors[:under], k)
                for name, chosen in choices.items():
                    between = apart[np.ix_(chosen, chosen)][np.triu_indices(k, 1)]
                    figures = (float(between.mean()), float(errors[chosen].mean()))
                    found.setdefault((k, name), []).append(figures)
            on_done(done, len(plan.sets))
    means = {key: np.mean(values, axis=0) for key, values in found.items()}
    return Report(
        title=f"budget: {request.model}, {len(plan.sets)} sets of {request.samples} futures",
        rows=tuple(
            {
                "k": str(k),
                **{
                    f"{name}, {figure}": float(means[k, name][index])
                    for name in ("closest", *BOUNDS)
                    for index, figure in enumerate(("APD", "MAE"))
                },
            }
            for k in budgets
        ),
        curves={
            name: [(k, float(means[k, name][0])) for k in budgets] for name in ("closest", *BOUNDS)
        },
        axes=("kept futures k", "APD"),
        note="closest: lowest MAE; others: most diverse under the MAE of that share of the futures",
    )
