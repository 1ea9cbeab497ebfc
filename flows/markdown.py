"""Tables in Markdown, for reports, cards and Prefect's pages."""

import re
from collections.abc import Iterable, Sequence

# What would end a cell or begin markup. An underscore inside a word, as in gru_nf, does neither.
_MARKUP = re.compile(r"[\\|<`*]|\[(?=[^\]]*\][(\[:])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def markdown_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1
) -> list[str]:
    r"""Write the lines of a table; every cell shows its text as it is.

    Args:
        headings: One for each column.
        rows: As many cells each.
        text_columns: The first columns, which hold text and stand left; figures stand right.

    Example:
        >>> markdown_table(["forecaster", "MAE"], [["gru_nf", "0.03"], ["a|b", "0.04"]])
        ['| forecaster | MAE |', '| --- | ---: |', '| gru_nf | 0.03 |', '| a\\|b | 0.04 |']
    """
    figures = len(headings) - text_columns
    lines = [map(_cell, headings), ["---"] * text_columns + ["---:"] * figures]
    return [f"| {' | '.join(line)} |" for line in [*lines, *(map(_cell, row) for row in rows)]]


def _cell(text: str) -> str:
    """Text that ends no cell and begins no markup."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
