"""Cross-validation written down plainly: what `flawcast evaluate` spreads over workers."""

from collections.abc import Callable, Iterator, Sequence

from flawcast.generators.forecasters import KeypointPredictor
from flawcast.generators.forecasters.cross_validation import (
    Candidate,
    Fold,
    Track,
    WindowForecast,
    fit_candidate,
    folds,
    forecast_windows,
    sharing_weights,
    used_as,
)
from flawcast.generators.forecasters.training import Recipe


def cross_validate(
    tracks: Sequence[Track],
    candidates: Sequence[Candidate],
    past: int,
    future: int,
    *,
    seeds: Sequence[int] = (0,),
    samples: int = 100,
    recipe: Recipe | None = None,
    on_fit: Callable[[Candidate, Fold, KeypointPredictor], None] = lambda *parts: None,
) -> Iterator[WindowForecast]:
    """Fit every candidate on every fold with every seed, and forecast what was left out.

    Candidates that differ in inference alone (GRU-SNF from GRU-NF, or in their feedback) share the
    weights of the first of them.

    Args:
        tracks: All clips.
        candidates: What to compare.
        past: P.
        future: F.
        seeds: Seeds of trainings and noise; forecasters that neither train nor draw take the first.
        samples: N.
        recipe: How long and how fast to train.
        on_fit: Told of every fit.

    Yields:
        One record per candidate, fold, seed and window, for `flawcast.selection.forecast_scores`.
    """
    for fold in folds(tracks):
        for seed in seeds:
            for group in sharing_weights(candidates):
                fitted = fit_candidate(group[0], fold, past, future, seed=seed, recipe=recipe)
                for candidate in group:
                    predictor = fitted if candidate is group[0] else used_as(fitted, candidate)
                    on_fit(candidate, fold, predictor)
                    if seed == seeds[0] or predictor.forecaster.trains:
                        yield from forecast_windows(
                            predictor, candidate, fold, past, future, samples=samples, seed=seed
                        )
