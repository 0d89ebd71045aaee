"""Durations as Kubernetes prints ages: two units at most, coarser the longer."""

from __future__ import annotations

import time

from mnist_local.apiserver import clock

UNKNOWN = "<unknown>"


def human(seconds: float) -> str:
    """Return a duration such as 42s, 5m10s, 3h, 2d4h."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return _pair(minutes, "m", whole % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _pair(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    if days < 2920:
        return _pair(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _pair(big: int, unit: str, small: int, small_unit: str) -> str:
    return f"{big}{unit}{small}{small_unit}" if small else f"{big}{unit}"


def since(moment: str | None) -> str:
    """Return how long ago a `metav1.Time` was."""
    if not moment:
        return UNKNOWN
    try:
        return human(time.time() - clock.parse(moment).timestamp())
    except ValueError:
        return "<invalid>"


def between(start: str | None, end: str | None) -> float | None:
    """Return the seconds between two times, where both are there."""
    if not start or not end:
        return None
    return clock.parse(end).timestamp() - clock.parse(start).timestamp()
