"""Kubernetes quantities as exact numbers."""

from __future__ import annotations

import re
from decimal import Decimal

_SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}
_PATTERN = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9.]+)?)([A-Za-z]*)")


def parse_quantity(value: int | str) -> Decimal:
    """Return the number that a quantity stands for: `500m` is 0.5, `2Gi` is 2147483648.

    Raises:
        ValueError: when it is not a quantity.
    """
    match = _PATTERN.fullmatch(str(value))
    if match is None or match.group(2) not in _SUFFIXES:
        raise ValueError(f"{value!r} is not a quantity")
    return Decimal(match.group(1)) * _SUFFIXES[match.group(2)]
