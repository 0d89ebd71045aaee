"""Bringing values of built-in types into the form that the API server keeps, in place."""

from datetime import UTC, datetime
from typing import Any

from mnist_local.apiserver.schema.node import Node
from mnist_local.apiserver.schema.quantity import canonical_quantity


def normalize(value: Any, node: Node | None) -> Any:
    """The value with canonical quantities ("1000m" is "1") and times (UTC; seconds or microseconds)."""
    if node is None or value is None:
        return value
    if isinstance(value, dict):
        for name, item in value.items():
            child = node.child(name)
            if child is not None:
                value[name] = normalize(item, child)
    elif isinstance(value, list):
        if node.items is not None:
            for index, item in enumerate(value):
                value[index] = normalize(item, node.items)
    elif node.format == "quantity":
        return _quantity(value)
    elif node.format in ("date-time", "micro-time") and isinstance(value, str):
        return _time(value, micro=node.format == "micro-time")
    return value


def _quantity(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    try:
        return canonical_quantity(str(value).strip())
    except ValueError:
        return value


def _time(text: str, *, micro: bool) -> str:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    if time.tzinfo is None:
        return text
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")
