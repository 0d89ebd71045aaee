"""Plain tables, and figures as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

_UNITS = ("B", "kB", "MB", "GB", "TB")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two spaces apart."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def size_text(count: float) -> str:
    """Bytes in the largest unit of which there is at least one."""
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def age_text(at: datetime | None, now: datetime) -> str:
    """How long ago, in one unit, as kubectl does."""
    if at is None:
        return "?"
    passed = max(timedelta(0), now - at)
    hours, minutes = divmod(int(passed.total_seconds()) // 60, 60)
    if hours >= 48:
        return f"{hours // 24}d"
    if hours:
        return f"{hours}h"
    return f"{minutes}m" if minutes else f"{int(passed.total_seconds())}s"


def value_text(value: object) -> str:
    """A value of a comparison."""
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
