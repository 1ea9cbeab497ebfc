"""Reports of frames that are not square, and of frames larger than a tile."""

from pathlib import Path

from flawcast.flows.report.pictures import draw_loop, draw_strips, draw_whole
from flawcast.flows.report.run import write_report
from tests.browser import Page
from tests.flows.any_size import LARGE, ODD, TALL, pixel_set, store_of_sizes


def test_clips_and_strips_keep_the_aspect() -> None:
    for size in (TALL, ODD):
        made = pixel_set(size)
        shape = size[1] / size[0]
        for strip in draw_strips(made):
            tiles = min(4, len(made.reference))
            assert abs((strip.width - 2 * (tiles - 1)) / tiles / strip.height - shape) < 0.03
        loop = draw_loop(made)
        tiles = len(loop.titles)
        assert abs((loop.width - 2 * (tiles - 1)) / tiles / (loop.height - 4) - shape) < 0.03


def test_large_videos_are_shown_at_their_own_size() -> None:
    whole = draw_whole(pixel_set(ODD))
    assert [(item.width, item.height) for item in whole] == [(ODD[1], ODD[0])] * 2
    (reference, best) = (item.title for item in draw_whole(pixel_set((1080, 1920))))
    assert (reference, best) == ("reference", "best future, MAE 0.0000")
    assert draw_whole(pixel_set((1080, 1920)))[0].width == 1280
    assert draw_whole(pixel_set((60, 96))) == []


def test_a_click_enlarges(page: Page, tmp_path: Path) -> None:
    store = store_of_sizes(tmp_path / "s", TALL, ODD, large=True)
    out = tmp_path / "report.html"
    done = write_report(store.url, out)
    assert (done.shown, done.damaged) == (3, ())
    assert out.stat().st_size < 8_000_000
    for width in (1280, 390):
        page.size(width)
        page.open(out.as_uri())
        page.one(".loop img").click()
        page.one("details.whole[open] img")
        page.one("#pause").click()
        page.screenshot(tmp_path / f"sizes-report-{width}.png", whole=True)
        assert page.sideways() == []
    sizes = "return [...document.querySelectorAll('.whole img')].map((i) => i.naturalWidth)"
    assert sorted(set(page.run(sizes))) == sorted({TALL[1], ODD[1], LARGE[1]})
