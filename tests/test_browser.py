"""The browser that tests use: it shows pages, tells of errors, and reaches nothing outside."""

from pathlib import Path

from tests.browser import Page


def test_pages_have_the_asked_width_and_colours(page: Page, tmp_path: Path) -> None:
    sheet = tmp_path / "page.html"
    sheet.write_text("<p id=wide style='width: 600px'>text</p>")
    page.open(sheet.as_uri())
    for width, dark in ((1280, False), (390, True)):
        page.size(width, dark=dark)
        found = "return [innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]"
        assert page.run(found) == [width, dark]
    assert page.sideways() == ['P. "text"']
    assert page.one("#wide").text == "text"
    assert page.screenshot(tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_errors_on_a_page_are_told(page: Page, tmp_path: Path) -> None:
    sheet = tmp_path / "page.html"
    sheet.write_text("<script>console.error('broken'); missing()</script><img src=no.png>")
    page.open(sheet.as_uri())
    told = " ".join(page.errors())
    for what in ("broken", "missing is not defined", "no.png"):
        assert what in told
    page.open("data:text/html,<img src='http://example.com/picture.png'>")
    assert "ERR_NAME_NOT_RESOLVED" in " ".join(page.errors())
