"""The report is one file that holds everything, says what is true, and shows nothing as markup."""

import base64
import io
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawcast.flows.report import write_report
from flawcast.flows.report.facts import gather, to_show
from flawcast.flows.report.pictures import draw_strips
from flawcast.flows.report.plots import Point, Series, draw_density, draw_scatter
from flawcast.generators.line.clips import draw_clip
from flawcast.storage import SampleStore
from tests.flows.commands.running import mistake, run
from tests.flows.generate.drawn_sets import drawn_set, drawn_store
from tests.storage.examples import sample_set

HOSTILE = "<script>alert(1)</script>'\"><img src=x onerror=alert(2)>$\\frac{1}{0}$"


class Tags(HTMLParser):
    """Start tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by `HTMLParser` for each tag."""
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "store"
    opened = drawn_store(path)
    with opened.ledger.run("run-a", {}, 7) as entry:
        entry.count(7, 0, 0)
        entry.reject([("a.mp4", "too short"), ("b.mp4", "too short"), ("c.gif", "damaged")])
    return path


@pytest.fixture(scope="module")
def page(store: Path) -> str:
    out = store.parent / "report.html"
    write_report(str(store), out)
    return out.read_text()


def test_a_report_needs_nothing_but_itself(page: str) -> None:
    for tag, attributes in Tags(page).found:
        for name in ("src", "href", "xlink:href", "srcset", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, value)
    assert not re.search(r"url\((?!#)|@import", page)


def test_every_shown_set_has_a_clip_that_loops_and_strips(page: str, store: Path) -> None:
    pictures = [
        Image.open(io.BytesIO(base64.b64decode(str(attributes["src"]).partition(",")[2])))
        for tag, attributes in Tags(page).found
        if tag == "img"
    ]
    moving = [picture for picture in pictures if getattr(picture, "n_frames", 1) > 1]
    assert len(moving) == 7
    assert len(pictures) == 7 * (1 + 6)  # past, reference and four futures
    assert {(getattr(picture, "n_frames", 1), picture.info["loop"]) for picture in moving} == {
        (24, 0)
    }
    for set_id in SampleStore.open(store).set_ids():
        assert f'id="{set_id}"' in page


def test_points_of_the_scatter_lead_to_their_sets(page: str, store: Path) -> None:
    tags = Tags(page).found
    leads = {attributes["href"] for tag, attributes in tags if tag == "a" and attributes["href"]}
    for row in SampleStore.open(store).query().to_pylist():
        assert f"#{row['set_id']}" in leads
        assert f"{row['label']}, {row['mode']}: MAE {row['mae']:.4f}" in page


def test_figures_are_those_of_the_store(store: Path, page: str) -> None:
    facts = gather(SampleStore.open(store), None)
    errors = [row["mae"] for row in SampleStore.open(store).query().to_pylist()]
    assert [row["mae"] for row in facts.rows] == sorted(errors)
    assert (facts.ratio.left_out, facts.ratio.ratios[0]) == (1, None)
    assert [(item.reason, item.clips) for item in facts.reasons] == [
        ("too short", ("a.mp4", "b.mp4")),
        ("damaged", ("c.gif",)),
    ]
    assert "population is the 7 sets of this report" in page
    assert "1 left out" in page


def test_best_median_and_worst_come_first(store: Path) -> None:
    facts = gather(SampleStore.open(store), None)
    errors = [row["mae"] for row in facts.rows]
    assert [row["mae"] for row in to_show(facts, 3)] == [errors[0], errors[3], errors[6]]
    assert len({row["set_id"] for row in to_show(facts, 100)}) == 7


def test_a_condition_limits_everything(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "jam.html"
    done = json.loads(
        run("report", store, "--out", out, "--where", "label = 'jam'", "--json").stdout
    )
    assert (done["sets"], done["shown"], done["bytes"]) == (1, 1, out.stat().st_size)
    assert "wobble" not in out.read_text()


def test_commands_in_a_report_work(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write_report(str(store), out, where="label in ('jam', 'slip')")
    blocks = re.findall(r"<pre[^>]*>(.*?)</pre>", out.read_text(), re.DOTALL)
    text = [re.sub("&#34;|&#39;", lambda found: chr(int(found[0][2:4])), item) for item in blocks]
    commands = [line for line in text[-2].splitlines() if " browse " not in line]
    for line in commands:
        done = run(*shlex.split(line.replace("--out samples", f"--out {tmp_path}/samples"))[1:])
        assert done.returncode == 0, done.stderr
    names: dict[str, object] = {}
    exec(text[-1], names)  # noqa: S102 - that it runs is what is tested
    assert len(names["dataset"]) == 10  # type: ignore[arg-type]


def test_text_from_a_store_is_never_markup(tmp_path: Path) -> None:
    opened = SampleStore.open(tmp_path / "store", "a")
    about = {"label": HOSTILE, "clip_name": HOSTILE, "run_id": HOSTILE, "forecaster": HOSTILE}
    opened.commit(drawn_set(draw_clip("jam", 1), 1, **about))
    opened.commit(drawn_set(draw_clip("slip", 1), 2, **about, source_clip_name=HOSTILE))
    with opened.ledger.run("run-a", {}, 2) as entry:
        entry.reject([(HOSTILE, HOSTILE)])
    write_report(str(tmp_path / "store"), tmp_path / "r.html", where=f"label <> $${HOSTILE[:5]}$$")
    text = (tmp_path / "r.html").read_text()
    tags = Tags(text).found
    assert [tag for tag, _ in tags].count("script") == 1
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    assert "alert(1)" in text  # as text
    assert "script-src &#39;sha256-" in text or "script-src 'sha256-" in text


@pytest.mark.parametrize("kind", ["drawn", "motion"])
def test_masks_are_drawn_on_the_futures(kind: str) -> None:
    clip = draw_clip("jam", 1)
    assert _pink(draw_strips(drawn_set(clip, 1))[-1].picture) == 0
    made = draw_strips(drawn_set(clip, 1, kind))
    assert _pink(made[-1].picture) > 20
    assert _pink(made[1].picture) == 0  # the reference stays as it is


def _pink(picture: str) -> int:
    """Pixels in the colour of masks."""
    shown = Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2])))
    red, green, blue = np.asarray(shown.convert("RGB"), int).transpose(2, 0, 1)
    return int(((red - green > 50) & (blue - green > 25)).sum())


def test_a_hundred_sets_of_large_frames_are_under_15_mb(tmp_path: Path) -> None:
    drawn_store(tmp_path / "store", ("topple", "crack"), size=128)
    done = write_report(str(tmp_path / "store"), tmp_path / "r.html")
    assert done.bytes / done.shown * 100 < 15e6


def test_plots_of_many_sets_stay_small() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((2, 5000))
    points = [Point(x, y, 1, 0, None, "") for x, y in values.T]
    points += [Point(0.5, 0.5, 0, 1, "#set-1", "the only one with a section")]
    scatter = draw_scatter(points, "MAE", "APD").svg
    assert len(scatter) < 300_000
    assert scatter.count("<a ") == 1
    curve = draw_density("MAE", [Series("all", tuple(values[0]))], (0, 1))
    assert len(curve.svg) < 100_000


def test_one_set_and_futures_that_are_all_equal_make_a_report(tmp_path: Path) -> None:
    opened = SampleStore.open(tmp_path / "store", "a")
    same = np.zeros((3, 4, 8, 10, 3), np.uint8)
    opened.commit(sample_set(videos=same, apd=0.0, coherence=np.nan))
    done = write_report(str(tmp_path / "store"), tmp_path / "r.html")
    assert (done.sets, done.ratio_median, done.ratio_left_out) == (1, None, 1)


def test_a_damaged_set_is_named_and_the_others_are_shown(store: Path, tmp_path: Path) -> None:
    opened = drawn_store(tmp_path / "store", ("jam", "slip"))
    first = sorted((tmp_path / "store" / "arrays").iterdir())[0]
    shard = max(first.rglob("*"), key=lambda path: path.is_file() * path.stat().st_size)
    shard.write_bytes(b"x" * shard.stat().st_size)
    done = run("report", opened.url, "--out", tmp_path / "r.html")
    assert (done.returncode, "1 with videos" in done.stdout) == (0, True)
    (line,) = done.stderr.splitlines()
    assert first.name.partition(".")[0] in line
    assert first.name.partition(".")[0] in (tmp_path / "r.html").read_text()


def test_a_store_in_a_bucket_is_reported(bucket_url: str, tmp_path: Path) -> None:
    drawn_store(bucket_url, ("jam",))  # type: ignore[arg-type]
    assert write_report(bucket_url, tmp_path / "r.html").sets == 1


def test_what_cannot_be_reported_is_one_line(store: Path, tmp_path: Path) -> None:
    SampleStore.open(tmp_path / "empty", "a")
    out = tmp_path / "r.html"
    assert "has no set; add some" in mistake("report", tmp_path / "empty", "--out", out)
    assert "no set that meets" in mistake("report", store, "--where", "apd > 9", "--out", out)
    assert "existing folder" in mistake("report", store, "--out", tmp_path / "no" / "r.html")
    assert "existing folder" in mistake("report", store, "--out", tmp_path)
    assert not out.exists()
