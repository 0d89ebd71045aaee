"""The life of a training in docs/architecture.md: the operator's table of transitions."""

from __future__ import annotations

from pathlib import Path

from mnist_operator.lifecycle.table import TRANSITIONS

_BEGIN, _END = "<!-- transitions:begin -->", "<!-- transitions:end -->"


def architecture(root: Path) -> str:
    """Return the page with the table between its marks."""
    head, rest = (root / "docs" / "architecture.md").read_text(encoding="utf-8").split(_BEGIN, 1)
    _, tail = rest.split(_END, 1)
    return f"{head}{_BEGIN}\n{table()}\n{_END}{tail}"


def table() -> str:
    """Return the transitions as a Markdown table: name, when, and what the step says it does."""
    rows = ["| | Transition | When | What is done |", "|---|---|---|---|"]
    for number, row in enumerate(TRANSITIONS, start=1):
        does = (row.then.__doc__ or "").strip().splitlines()[0]
        rows.append(f"| {number} | `{row.name}` | {row.when} | {does} |")
    return "\n".join(rows)
