"""Filters of the pages: the address keeps them, and a wrong condition is told on the page."""

import html
import re
from urllib.parse import parse_qs

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from flawcast.flows.browse.filters import RANGES, SORTS, Filter


def test_a_wrong_condition_is_told_on_the_page(reader: httpx.Client) -> None:
    for where in (
        "adp > 1",
        "label = ",
        "1=1; drop table samples",
        "x in (select * from glob('/*'))",
    ):
        answer = reader.get("/cards", params={"where": where})
        assert answer.status_code == 200
        assert 'class="problem"' in answer.text, where


def test_an_address_restores_the_whole_form(reader: httpx.Client) -> None:
    address = "/?label=jam&mode=transfer&review=none&sort=-mae&mae_to=0.05&where=rank+%3C+2"
    text = reader.get(address).text
    assert '<option value="-mae" selected>' in text
    for name, value in (("label", "jam"), ("mode", "transfer"), ("review", "none")):
        assert f'name="{name}" value="{value}" checked' in text
    assert text.count(" checked") == 3
    assert re.search(r'name="mae_to"[^>]*\s+value="0.05"', text)
    assert 'name="where" value="rank &lt; 2"' in text
    (review,) = re.findall(r'id="go-review" href="/review([^"]+)"', text)
    assert parse_qs(html.unescape(review)[1:]) == parse_qs(address[2:])
    shown = re.findall(r'data-sample="([^"]+)"', text)
    assert shown == re.findall(r'data-sample="([^"]+)"', reader.get(f"/cards{address[1:]}").text)


TEXTS = st.text(max_size=5) | st.sampled_from(["jam", "o'ring", "run-0", "accepted", "none"])


BOUNDS = st.none() | st.floats(0, 1)


@settings(max_examples=30)
@given(
    lists=st.tuples(*[st.lists(TEXTS, max_size=2)] * 6),
    bounds=st.tuples(*[BOUNDS] * (2 * len(RANGES))),
    sort=st.sampled_from(sorted(SORTS)),
)
def test_the_address_keeps_what_is_chosen(
    lists: tuple[list[str], ...], bounds: tuple[float | None, ...], sort: str
) -> None:
    names = ("label", "mode", "forecaster", "run", "review", "defect")
    ends = tuple(f"{name}_{end}" for name in RANGES for end in ("from", "to"))
    values = {**dict(zip(names, lists, strict=True)), **dict(zip(ends, bounds, strict=True))}
    chosen = Filter(**values, sort=sort)
    told = parse_qs(chosen.address().lstrip("?"), keep_blank_values=True)
    again = {name: texts if name in names else texts[0] for name, texts in told.items()}
    assert Filter(**again) == chosen
