"""Tables in Markdown show every cell's text as it is."""

import pytest

from flawcast.flows.markdown import markdown_table


def test_text_stands_left_and_figures_right() -> None:
    table = markdown_table(["label", "mode", "MAE"], [["jam", "transfer", "0.1"]], text_columns=2)
    assert table == [
        "| label | mode | MAE |",
        "| --- | --- | ---: |",
        "| jam | transfer | 0.1 |",
    ]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("a|b", r"a\|b"),
        ("a\\|b", r"a\\\|b"),
        ("two\nlines", "two lines"),
        ("<script>", r"\<script>"),
        ("*bold* `code`", r"\*bold\* \`code\`"),
        ("_thin_", r"\_thin\_"),
        ("![x](http://y)", r"!\[x](http://y)"),
    ],
    ids=["pipe", "escaped pipe", "lines", "element", "markup", "underscores", "picture"],
)
def test_text_is_no_markup(text: str, cell: str) -> None:
    assert markdown_table(["name"], [[text]])[-1] == f"| {cell} |"


@pytest.mark.parametrize("text", ["gru_nf", "0.031 ± 0.002", "+0.01 (-0.02, +0.03)", "frames[0]"])
def test_plain_text_stays_plain(text: str) -> None:
    assert markdown_table(["name"], [[text]])[-1] == f"| {text} |"
