"""What a script of the user's own has reported, as ``metrics.json``, ``report.html`` and TensorBoard's file show it."""

from __future__ import annotations

import re
from datetime import datetime
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from mnist_trainer.naming import EVENTS_FILE, METRICS_FILE, REPORT_FILE
from mnist_trainer.release.drawings import Chart, Line, draw
from mnist_trainer.release.files import encode_json
from mnist_trainer.release.publish import ReleaseFile

_MOST_POINTS = 200
_DRAWN = 1e30
"""Figures beyond it (a loss that ran away) are in ``metrics.json``; no drawing has room for them."""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="mnist-trainer run">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{ metrics.name }}</title>
<style>
{{ css }}</style>
</head>
<body>
<h1>{{ metrics.name }}: {{ metrics.command | join(" ") }}</h1>
<p class="dim">run {{ metrics.runId }}, attempt {{ metrics.attempt }}, as its script has reported</p>
<ul class="figures">
{% for name, value in figures %}
<li><b>{{ value }}</b>{{ name }}</li>
{% endfor %}
</ul>
{% if charts %}
<h2>Curves</h2>
<div class="columns">
{% for title, drawing in charts %}
<div><h3>{{ title }}</h3>{{ drawing }}</div>
{% endfor %}
</div>
<p class="dim">Across: the number of the report.</p>
{% endif %}
</body>
</html>
"""


HEAD_BYTES = 512
"""So much of a file tells whose it is."""
_HEADS = {
    METRICS_FILE: re.compile(rb'\{\s*"version": 1,\s*"name": "[^"]*",\s*"runId": "'),
    REPORT_FILE: re.compile(rb'<meta name="generator" content="mnist-trainer run">'),
    EVENTS_FILE: re.compile(rb""),  # TensorBoard's own writers put more behind that name
}


def is_report(name: str, head: bytes) -> bool:
    """Whether a file of the output was made here, by any attempt, and not by the script."""
    return name in _HEADS and _HEADS[name].search(head) is not None


def report_files(metrics: dict[str, Any]) -> list[ReleaseFile]:
    """The files for a script's ``metrics.json`` content; no curves where it has reported nothing."""
    named = [ReleaseFile(METRICS_FILE, encode_json(metrics), "application/json")]
    if metrics["reports"]:
        named.append(ReleaseFile(REPORT_FILE, render(metrics).encode(), "text/html; charset=utf-8"))
        named.append(ReleaseFile(EVENTS_FILE, encode_reports(metrics["reports"]), "application/octet-stream"))
    return named


def render(metrics: dict[str, Any]) -> str:
    """The page."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    known = (("accuracy", metrics["accuracy"]), ("loss", metrics["loss"]), ("epochs", metrics["epoch"]))
    figures = [(name, f"{value:.6g}") for name, value in (*known, *metrics["metrics"].items()) if value is not None]
    return environment.from_string(_PAGE).render(
        css=Markup(files("mnist_trainer.release").joinpath("report.css").read_text("utf-8")),  # noqa: S704  (our own)
        metrics=metrics,
        figures=figures,
        charts=_charts(metrics["reports"]),
    )


def encode_reports(reports: list[dict[str, Any]]) -> bytes:
    """TensorBoard's file: each figure by its name, with the epoch as the step, or else the number of the report."""
    from mnist_trainer.release.events_file import encode_scalars

    rows = []
    for number, report in enumerate(reports, 1):
        step = report.get("epoch")
        rows.append((datetime.fromisoformat(report["time"]).timestamp(), step or number, _figures(report)))
    return encode_scalars(rows)


def _figures(report: dict[str, Any]) -> dict[str, float]:
    known = {name: report[name] for name in ("accuracy", "loss") if name in report}
    return {**known, **report.get("metrics", {})}


def _charts(reports: list[dict[str, Any]]) -> list[tuple[str, Markup]]:
    step = -(-len(reports) // _MOST_POINTS) or 1
    last = len(reports)
    numbers = [number for number in range(1, last + 1) if (last - number) % step == 0]
    shown = [(number, _figures(reports[number - 1])) for number in numbers]
    x = [number for number, _ in shown]
    names = dict.fromkeys(name for _, figures in shown for name in figures)
    charts = [Chart(name, [Line(name, [_drawn(figures.get(name)) for _, figures in shown])]) for name in names]
    return [(chart.title, Markup(draw(chart, x))) for chart in charts]  # noqa: S704  (it escapes)


def _drawn(value: float | None) -> float | None:
    return value if value is not None and abs(value) < _DRAWN else None
