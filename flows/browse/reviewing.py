"""The review page: one sample after the other, accepted or rejected from the keyboard."""

from typing import Any

from flawcast.configs.errors import StoreError
from flawcast.flows.browse.filters import Filter
from flawcast.flows.browse.snippets import lines_after_review
from flawcast.storage.reviews import UNREVIEWED
from flawcast.storage.sample_cache import CachedSamples

MOST = 5_000  # samples that one page goes through; a browser holds their rows
SHOWN = (
    *("sample_id", "set_id", "rank", "label", "clip_name", "mode", "mae", "ssim", "diversity"),
    *("defect_type", "defect_severity", "future", "fps", "width", "height", "masks", "review"),
)


def review_page(held: CachedSamples, chosen: Filter) -> dict[str, Any]:
    """Values for the page, in the order of the filter.

    A filter for what nobody has reviewed is left out: its list would become shorter with every
    mark, and the page begins at the first sample without one anyway.

    Args:
        held: The store as it is.
        chosen: Which samples are reviewed; its page number does not count.

    Raises:
        StoreError: If it shows a tag, whose reviews do not change.
        QueryError: If the filter's condition is not valid.
    """
    if held.store.tagged is not None:
        raise reviews_are_fixed(held.store.tagged)
    if chosen.review == [UNREVIEWED]:
        chosen = chosen.model_copy(update={"review": []})
    found = held.query(chosen.sql, chosen.order_by)
    return {
        "filter": chosen,
        "count": found.num_rows,
        "most": MOST,
        "rows": found.slice(0, MOST).select(SHOWN).to_pylist(),
        "lines": lines_after_review(held.store.url, chosen.sql),
    }


def reviews_are_fixed(tag: str) -> StoreError:
    """What is said to somebody who wants to review a tag."""
    return StoreError(f"tag {tag}: its reviews do not change; review the store as it is now")
