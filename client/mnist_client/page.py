"""Trainings as HTML for a notebook: no script, no style of its own but what is in each element, all text escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from mnist_client.state import Progress

_COLOURS = {"Succeeded": "#2e7d32", "Failed": "#c62828", "Running": "#1565c0", "Suspended": "#ef6c00"}
_GREY = "#757575"


def progress_html(trainings: Mapping[str, Progress], told: Sequence[tuple[float, str, bool]] = ()) -> str:
    """Return a table of trainings by name, and below it what happened: seconds, text, and whether it is a warning."""
    rows = "".join(_row(name, progress) for name, progress in trainings.items())
    lines = "".join(
        f'<div style="{"color:#ef6c00" if warning else ""}">'
        f'<span style="color:{_GREY}">{seconds:.1f} s</span> {escape(text)}</div>'
        for seconds, text, warning in told
    )
    return f'<table class="mnist-progress">{rows}</table><div class="mnist-events">{lines}</div>'


def _row(name: str, progress: Progress) -> str:
    colour = _COLOURS.get(progress.phase, _GREY)
    cells = (
        f"<b>{escape(name)}</b>",
        f'<span style="color:{colour}">{escape(progress.phase)}</span>',
        f'<progress max="1" value="{progress.share:.3f}"></progress> {progress.share:.0%}',
        escape(progress.message if progress.is_final else progress.text),
    )
    return "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>"
