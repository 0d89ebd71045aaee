"""The report is one file that asks nobody for anything, says what was measured, and shows text as text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.trainer.release_support import CONFIG, LOST, PLACE, build

from mnist_trainer.release.drawings import Chart, Line, draw, nice_ticks, number_text
from mnist_trainer.release.report import confused_pairs


class Page(HTMLParser):
    """What a page consists of: its tags, the texts of its cells, and every address it names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in {"meta", "img", "br", "line", "circle", "polyline"}:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "xlink:href"}]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text += " " + " ".join(data.split())


@pytest.fixture
def page(finished, dataset) -> str:
    files, _ = build(finished, dataset)
    return next(file.data for file in files if file.name == "report.html").decode()


def test_self_contained_and_escaped(page):
    read = Page(page)
    assert not {"script", "link", "iframe", "object", "base", "form"} & set(read.tags)
    assert read.addresses
    assert all(address.startswith("data:image/png;base64,") for address in read.addresses)
    assert not re.search(r"https?://|url\(|@import", page)
    assert "default-src 'none'" in page
    assert "s3://datasets/&lt;script&gt;" in page
    assert read.open == []


def test_says_what_was_measured(page):
    read = Page(page)
    assert read.tags.count("svg") == 4
    assert read.tags.count("figure") == 2
    for words in ("80.00 % test accuracy", "2 wrong of 10 test images", "2 epochs", "5.0 seconds of training"):
        assert words in read.text
    assert re.search(r"2 taken for 0 : 1 image, 33.3 % of class 2", read.text)
    assert "is 2 , said 1 75 % sure" in read.text
    for heading in ("Confusion matrix", "Configuration", "Recipe", "Versions", "Timeline"):
        assert heading in read.text
    assert f"--model {PLACE.output}" in read.text
    assert re.search(r"model.onnx [0-9a-f]{64}", read.text)
    assert CONFIG.name in read.text


def test_lost_workers_are_marked_on_every_curve(finished, dataset, page):
    files, _ = build(finished, dataset, [LOST])
    marked = next(file.data for file in files if file.name == "report.html").decode()
    assert marked.count('class="event"') == marked.count("<svg")
    assert "<title>workers-&lt;b&gt; was lost in epoch 2</title>" in marked
    assert "its node died" in Page(marked).text
    assert 'class="event"' not in page
    assert "Lost workers" not in page


def test_confused_pairs():
    pairs = confused_pairs([[5, 2, 0], [1, 9, 0], [0, 0, 0]])
    assert [(pair["label"], pair["predicted"], pair["count"]) for pair in pairs] == [(0, 1, 2), (1, 0, 1)]
    assert pairs[1]["share"] == "10.0 %"


def test_a_chart_marks_the_target_and_leaves_gaps():
    drawn = draw(Chart("x", [Line("a <b>", [1.0, None, 3.0])], mark=(5.0, "target")), [1, 2, 3])
    assert drawn.count("<circle") == 2
    assert "a &lt;b&gt; 3" in drawn
    assert "target" in drawn
    assert "legend" not in drawn
    assert "legend" in draw(Chart("x", [Line("a", [1.0]), Line("b", [2.0])]), [1])


def test_many_epochs_make_no_thousands_of_dots():
    drawn = draw(Chart("x", [Line("a", [float(n) for n in range(5000)])]), list(range(1, 5001)))
    assert drawn.count("<circle") == 1
    assert drawn.count('text-anchor="middle"') <= 11


@example(-1.27e-14, -1.27e-14)
@example(1e6, 1e6 + 1e-9)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_ticks_are_round_few_and_enclose(one, other):
    low, high = min(one, other), max(one, other)
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 9
    slack = 1e-6 * (ticks[1] - ticks[0])
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert ticks == sorted(set(ticks))
    labels = [number_text(tick, ticks[1] - ticks[0]) for tick in ticks]
    assert len(set(labels)) == len(labels)


def test_ticks_of_accuracies():
    ticks = nice_ticks(99.12, 99.48)
    assert [number_text(tick, ticks[1] - ticks[0]) for tick in ticks] == ["99.1", "99.2", "99.3", "99.4", "99.5"]
