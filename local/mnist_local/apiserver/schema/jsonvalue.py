"""Comparing and copying JSON values as the API server does (true is not 1, and 1 is not 1.0)."""

from typing import Any


def same(a: Any, b: Any) -> bool:
    """Deep equality with exact types."""
    if a is b:
        return True
    if a != b:
        return False  # most differences are found at C speed
    return _same_types(a, b)


def _same_types(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(_same_types(v, b[k]) for k, v in a.items())
    if isinstance(a, list):
        return all(map(_same_types, a, b))
    return type(a) is type(b)


def loosely_same(a: Any, b: Any) -> bool:
    """Deep equality where whole numbers compare by value (how an enum is matched)."""
    if (
        isinstance(a, int | float)
        and isinstance(b, int | float)
        and not isinstance(a, bool)
        and not isinstance(b, bool)
    ):
        return a == b
    return same(a, b)


def copy(value: Any) -> Any:
    """A deep copy of a JSON value (much faster than `copy.deepcopy`)."""
    if isinstance(value, dict):
        return {k: copy(v) if isinstance(v, dict | list) else v for k, v in value.items()}
    if isinstance(value, list):
        return [copy(v) if isinstance(v, dict | list) else v for v in value]
    return value


def type_name(value: Any) -> str:
    """The JSON Schema type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
