"""Numbers with their units, durations, and the tone of a state: how values are shown. No I/O."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mnist_kube.times import format_duration, now, parse_time

TONES = {
    "Pending": "wait",
    "Provisioning": "busy",
    "Running": "busy",
    "Suspended": "rest",
    "Succeeded": "good",
    "Failed": "bad",
    "ready": "good",
    "suspended": "rest",
    "failed": "bad",
    "unhealthy": "bad",
}
"""A state's tone: it has a colour, a sign and the word itself, so that nobody needs to see colours."""
SIGNS = {"wait": "○", "busy": "◐", "rest": "▮▮", "good": "✓", "bad": "✕", "none": "-"}


def tone(state: str | None) -> str:
    """Return the tone of a phase or state."""
    return TONES.get(state or "", "none" if not state else "wait")


def share(value: float | None, digits: int = 2) -> str:
    """Return a share as percent, such as 98.20 %."""
    return "" if value is None else f"{100 * value:.{digits}f} %"


def number(value: float | None) -> str:
    """Return a number as people read it: 12,345 or 0.0123."""
    if value is None:
        return ""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def size(value: float) -> str:
    """Return bytes in binary units, such as 1.5 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def duration(seconds: float | None) -> str:
    """Return seconds as 2m5s."""
    return "" if seconds is None else format_duration(int(seconds))


def since(text: str | None, until: str | None = None) -> str:
    """Return the time from a Kubernetes timestamp to another, or to now; empty for no time."""
    begin, end = parse_time(text), parse_time(until)
    return "" if begin is None else duration(((end or now()) - begin).total_seconds())


def clock(text: str | None) -> str:
    """Return a timestamp in UTC for where no script makes it local time."""
    moment = parse_time(text) if isinstance(text, str) else text
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if isinstance(moment, datetime) else ""


def seconds_of(text: str | None) -> float:
    """Return a timestamp as Unix time, 0 for none: to sort by."""
    moment = parse_time(text)
    return moment.timestamp() if moment else 0.0


def plain(value: Any) -> str:
    """Return any value of a spec as a short text."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plain(item)}" for key, item in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(map(plain, value)) or "-"
    return str(value)
