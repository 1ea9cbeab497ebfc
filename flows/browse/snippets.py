"""Lines to copy: what a page shows, as a command and as Python."""

import shlex
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """Something to copy.

    Args:
        title: What it does.
        text: One or several lines for a shell or for Python.
    """

    title: str
    text: str


def lines_for_samples(
    store: str, where: str | None, order_by: str | None = None, tag: str | None = None
) -> list[Line]:
    r"""Lines about the samples that meet a condition.

    Args:
        store: URL of the store.
        where: SQL condition over samples; None for all.
        order_by: SQL ordering of the query.
        tag: The tag that they are of; None for the store as it is.

    Example:
        >>> lines_for_samples("store", "label = 'jam'")[0].text
        'flawcast query store --rows samples --where "label = \'jam\'"'
    """
    condition = ["--where", where] if where else []
    order = ["--order-by", order_by] if order_by else []
    of_tag = ["--tag", tag] if tag else []
    opened, names = repr(store), "SampleSetDataset"
    if tag:
        opened, names = f"SampleStore.open({store!r}, tag={tag!r})", f"{names}, SampleStore"
    dataset = f"SampleSetDataset({opened}" + (f", where={where!r})" if where else ")")
    return [
        Line("query", _command("query", store, "--rows", "samples", *of_tag, *condition, *order)),
        Line(
            "export",
            _command("export", store, "--format", "mp4", "--out", "out", *of_tag, *condition),
        ),
        Line("Python", f"from flawcast.storage import {names}\n\ndataset = {dataset}"),
    ]


def lines_for_set(store: str, set_id: str, tag: str | None = None) -> list[Line]:
    """Lines about one set."""
    query, export, _ = lines_for_samples(store, f"set_id = '{set_id}'", "rank", tag)
    opened = f"{store!r}, tag={tag!r}" if tag else repr(store)
    load = f'SampleStore.open({opened}).load("{set_id}")'
    return [
        query,
        export,
        Line("Python", f"from flawcast.storage import SampleStore\n\nfutures = {load}"),
    ]


def lines_after_review(store: str, where: str | None) -> list[Line]:
    """Lines about what a review decided.

    Tags and forgetting are about sets, so a set counts as good if one of its samples is accepted
    and none rejected, and as bad if it is the other way round.

    Args:
        store: URL of the store.
        where: SQL condition over the samples that were reviewed; None for all.
    """
    accepted = "review = 'accepted'"
    both = f"({where}) and {accepted}" if where else accepted
    good, bad = "accepted > 0 and rejected = 0", "rejected > 0 and accepted = 0"
    out = ("--format", "mp4", "--out", "out")
    return [
        Line("keep", _command("export", store, *out, "--where", both)),
        Line("tag", _command("tag", store, "reviewed", "--where", good)),
        Line("forget", _command("forget", store, "--where", bad)),
    ]


def _command(*words: str) -> str:
    """A shell line; in double quotes where that is enough, since conditions have single ones."""
    return " ".join(["flawcast", *map(_word, words)])


def _word(word: str) -> str:
    """A word as a shell reads it."""
    plain = shlex.quote(word)
    return plain if plain == word or any(mark in word for mark in '"\\$`!') else f'"{word}"'
