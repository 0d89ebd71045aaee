"""Write the transition table into docs/architecture.md: `python -m mnist_operator.lifecycle.document [--check]`."""

from __future__ import annotations

import sys
from pathlib import Path

from mnist_operator.lifecycle.transitions import TRANSITIONS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "architecture.md"
_BEGIN, _END = "<!-- transitions:begin -->", "<!-- transitions:end -->"


def table() -> str:
    """Return the transitions as a Markdown table: name, when, and what the step says it does."""
    rows = ["| | Transition | When | What is done |", "|---|---|---|---|"]
    for number, row in enumerate(TRANSITIONS, start=1):
        does = (row.then.__doc__ or "").strip().splitlines()[0]
        rows.append(f"| {number} | `{row.name}` | {row.when} | {does} |")
    return "\n".join(rows)


def rendered(page: str) -> str:
    """Return `page` with the table between its marks."""
    head, rest = page.split(_BEGIN, 1)
    _, tail = rest.split(_END, 1)
    return f"{head}{_BEGIN}\n{table()}\n{_END}{tail}"


def main(argv: list[str] | None = None) -> int:
    """Write the table, or with --check say whether it is stale."""
    args = sys.argv[1:] if argv is None else argv
    found = PAGE.read_text(encoding="utf-8")
    wanted = rendered(found)
    if "--check" not in args:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if found == wanted:
        return 0
    sys.stderr.write(f"{PAGE} is stale: run `make docs`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
