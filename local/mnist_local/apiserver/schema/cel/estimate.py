"""Ranges of sizes and costs, in CEL's cost units; arithmetic stays below 2^64 as cel-go's does."""

import math
from dataclasses import dataclass
from typing import Final

INFINITE: Final = 2**64 - 1


def _bounded(value: int) -> int:
    return min(value, INFINITE)


def _scaled(value: int, factor: float) -> int:
    return INFINITE if value >= INFINITE and factor >= 1 else _bounded(math.ceil(value * factor))


@dataclass(frozen=True, slots=True)
class Range:
    """From `min` to `max`, both included."""

    min: int
    max: int

    def __add__(self, other: "Range") -> "Range":
        return Range(_bounded(self.min + other.min), _bounded(self.max + other.max))

    def __mul__(self, other: "Range") -> "Range":
        return Range(_bounded(self.min * other.min), _bounded(self.max * other.max))

    def scale(self, factor: float) -> "Range":
        """Times a factor, rounded up."""
        return Range(_scaled(self.min, factor), _scaled(self.max, factor))

    def union(self, other: "Range") -> "Range":
        """The smallest range that holds both."""
        return Range(min(self.min, other.min), max(self.max, other.max))


def exactly(value: int) -> Range:
    """A range of one value."""
    return Range(value, value)


UNKNOWN: Final = Range(0, INFINITE)
ZERO: Final = exactly(0)
ONE: Final = exactly(1)


@dataclass(frozen=True, slots=True)
class Call:
    """What a function call costs beyond its arguments, and how large its result may be."""

    cost: Range
    size: Range | None = None
