"""A curve in one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.-:=+*#"


def sparkline(values: Sequence[float], width: int = 16, bars: str = BARS) -> str:
    """Draw `values` in at most `width` characters, the least as the lowest bar; more values are averaged in groups.

    `bars` are eight characters, `ASCII_BARS` where the terminal shows no others. Values that are not finite are left
    out. A curve without ups and downs is drawn low.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    count = min(width, len(finite))
    groups = [finite[len(finite) * i // count : len(finite) * (i + 1) // count] for i in range(count)]
    means = [sum(group) / len(group) for group in groups]
    low, span = min(means), max(means) - min(means)
    return "".join(bars[round((mean - low) / span * (len(bars) - 1)) if span > 0 else 0] for mean in means)
