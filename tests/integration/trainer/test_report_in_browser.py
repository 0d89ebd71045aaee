"""The report as a browser shows it: no error, nothing asked of anybody, nothing cut off, in the reader's colours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.browser import Browser, find_browser
from tests.unit.trainer.release_support import build, small_dataset, small_training

PROGRAM = find_browser()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert PROGRAM is not None
    with Browser(PROGRAM, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dataset = small_dataset()
    files, _ = build(small_training(dataset), dataset)
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(next(file.data for file in files if file.name == "report.html"))
    return path


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_report(browser, report, width, dark):
    opened = browser.open(report, width, dark=dark)
    assert opened.errors == []
    outside = [address for address in opened.requests if not address.startswith("data:")]
    assert outside == [report.as_uri()]
    assert browser.evaluate("document.title") == "mnist: cnn on s3://datasets/<script> · 80.00 %"
    # Wide tables scroll on their own; the page itself never does.
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("[...document.images].every(image => image.complete && image.naturalWidth == 28)")
    assert browser.evaluate("document.querySelectorAll('svg').length") == 4
    paper = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(20, 23, 31)" if dark else "rgb(255, 255, 255)")


def test_a_page_that_does_ask_is_caught(browser, tmp_path):
    """The test above could not fail if the browser did not tell."""
    page = tmp_path / "bad.html"
    page.write_text("<img src='http://127.0.0.1:9/x.png'><script>nonsense()</script>")
    opened = browser.open(page, 800)
    assert "http://127.0.0.1:9/x.png" in opened.requests
    assert any("nonsense" in error for error in opened.errors)
