"""Defects of looks in the browser and the report: filter, sliders, a map of places, a sheet."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from flawcast.configs.defect_settings import DefectOrder, MadeDefect, SetDefect
from flawcast.flows.browse.filters import Filter
from flawcast.flows.browse.places import places_of
from flawcast.flows.browse.views import find_cards, find_choices, find_ranges
from flawcast.flows.report import write_report
from flawcast.flows.report.defects import view_defects
from flawcast.storage import SampleStore
from flawcast.storage.sample_cache import CachedSamples
from tests.browser import Page
from tests.flows.browse.browsing import served, visible_set


def settings_with(kind: str, severity: float, placebo: bool = False) -> str:
    """The settings of a set with a defect or a placebo."""
    order = DefectOrder(kind, kind, "", 0.2, severity, 5, placebo=placebo)
    made = MadeDefect(
        seed=5, size=0.2, frame_x=severity, frame_y=0.5, contrast=4, contrasts=(3.0, 4.0, 5.0)
    )
    said = SetDefect(order, made, "jam").to_json()
    return json.dumps({"generate": {}, "masks": {"kind": "drawn", "id": "m"}, "defect": said})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scratches, a pit, a placebo and a set with neither."""
    root = tmp_path_factory.mktemp("defects") / "store"
    opened = SampleStore.open(root, "a")
    for seed, (kind, severity) in enumerate([("scratch", 0.2), ("scratch", 0.9), ("pit", 0.5)]):
        opened.commit(visible_set(seed, label=kind, settings=settings_with(kind, severity)))
    opened.commit(visible_set(3, settings=settings_with("stain", 0.0, placebo=True)))
    opened.commit(visible_set(4))
    return root


def test_columns_come_from_the_settings(store: Path) -> None:
    rows = SampleStore.open(store).query(rows="samples").to_pylist()
    scratch = next(row for row in rows if row["label"] == "scratch" and row["rank"] == 2)
    assert (scratch["defect_type"], scratch["motion_label"]) == ("scratch", "jam")
    assert (scratch["defect_contrast"], scratch["defect_onset"]) == (5.0, 0)
    plain = next(row for row in rows if row["set_id"].endswith("4"))
    assert (plain["defect_type"], plain["placebo"]) == (None, False)
    assert plain["motion_label"] == plain["label"]
    reviewed = SampleStore.open(store, "a")
    before = reviewed.query(rows="samples")
    reviewed.review(scratch["sample_id"], "accepted")
    reviewed.review(scratch["sample_id"], "none")
    assert reviewed.query(rows="samples").equals(before)


def test_the_filter_has_types_and_sliders(store: Path) -> None:
    held = CachedSamples(store)
    shown = {choice.value: choice.count for choice in find_choices(held, Filter())["defect"]}
    assert shown == {"pit": 3, "scratch": 6}
    ranges = {item.name: (item.low, item.high) for item in find_ranges(held, Filter())}
    assert ranges["severity"] == (0.2, 0.9)
    assert ranges["contrast"] == (3.0, 5.0)
    assert ranges["across"] == (0.2, 0.9)
    assert "size" not in ranges, "all defects have the same"
    assert find_cards(held, Filter(across_from=0.4, down_to=0.6)).count == 6
    assert find_cards(held, Filter(severity_from=0.4)).count == 6
    assert find_cards(held, Filter(defect=["scratch"], contrast_to=4.5)).count == 4


def test_a_store_without_defects_shows_no_filter_for_them(tmp_path: Path) -> None:
    SampleStore.open(tmp_path / "store", "a").commit(visible_set(0))
    held = CachedSamples(tmp_path / "store")
    assert "defect" not in find_choices(held, Filter())
    assert {item.name for item in find_ranges(held, Filter())} == {"diversity", "mae"}
    assert find_cards(held, Filter()).places is None


def test_places_are_counted_by_set(store: Path) -> None:
    places = places_of(pa.table(CachedSamples(store).rows()))
    assert places is not None
    assert places.count == 3
    assert {cell.x for cell in places.cells} == {4, 12, 21}
    assert {cell.share for cell in places.cells} == {1.0}


def test_a_field_of_the_map_filters(page: Page, store: Path, tmp_path: Path) -> None:
    with served(str(store), tmp_path / "cache") as url:
        page.open(url)
        page.one(".places summary").click()
        page.one(".places rect[x='12']").click()  # where the pit is
        page.until(lambda: "3 of 15 samples" in page.one("#count").text, "no other samples")
        assert "across_from=0.5" in page.driver.current_url
        page.driver.refresh()
        assert "3 of 15 samples" in page.one("#count").text


def test_the_report_counts_defects_and_shows_them(store: Path, tmp_path: Path) -> None:
    opened = SampleStore.open(store)
    view = view_defects(opened, opened.query().to_pylist())
    assert view is not None
    counts = {name: [cell.count for cell in cells] for name, cells, _ in view.types}
    assert counts == {"pit": [0, 1, 0], "scratch": [1, 0, 1]}
    assert (view.placebos, view.without) == (1, 1)
    write_report(str(store), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Defects of looks" in page
    assert "1 other sets have a placebo, 1 neither" in page
