"""Kubernetes' list functions: isSorted, sum, min, max."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from mnist_local.apiserver.schema.cel.functions import Function

_SUMMABLE: Final = ("int", "uint", "double", "duration")
_COMPARABLE: Final = (*_SUMMABLE, "bool", "timestamp", "string", "bytes")


def _is_sorted(values: list[Any]) -> bool:
    return all(a <= b for a, b in pairwise(values))


def _sum(values: list[Any]) -> Any:
    if not values:
        return 0
    total = sum(values[1:], start=values[0])
    if isinstance(total, int) and not -(2**63) <= total < 2**64:
        raise ValueError("integer overflow")
    return total


def _extreme(name: str, pick: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    def apply(values: list[Any]) -> Any:
        if not values:
            raise ValueError(f"{name} called on empty list")
        return pick(values)

    return apply


_MIN: Final = _extreme("min", min)
_MAX: Final = _extreme("max", max)

FUNCTIONS: Final = (
    *(Function("isSorted", f"list_{t}_is_sorted_bool", (f"list<{t}>",), "bool", _is_sorted, True) for t in _COMPARABLE),
    *(Function("sum", f"list_{t}_sum_{t}", (f"list<{t}>",), t, _sum, True) for t in _SUMMABLE),
    *(Function("max", f"list_{t}_max_{t}", (f"list<{t}>",), t, _MAX, True) for t in _COMPARABLE),
    *(Function("min", f"list_{t}_min_{t}", (f"list<{t}>",), t, _MIN, True) for t in _COMPARABLE),
)
