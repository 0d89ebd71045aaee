"""Does a configuration fit the types of its schema? The words are structured-merge-diff's."""

from collections.abc import Iterator
from typing import Any

from mnist_local.apiserver.patch.fieldset import show
from mnist_local.apiserver.patch.typed import ITEMS, TypedError, child_node, items, kind_of
from mnist_local.apiserver.schema.node import Node

_EXPECTED = {"object": "map", "array": "list", "string": "string", "boolean": "bool"}
_NUMBERS = {"integer": "numeric (int or float)", "number": "numeric (int or float)"}


def check_typed(node: Node, obj: dict[str, Any]) -> str:
    """What does not fit, or ""."""
    found = list(_check(node, obj, ""))
    if len(found) <= 1:
        return "".join(found)
    return "errors:\n" + "\n".join(f"  {problem}" for problem in found)


def _check(node: Node | None, value: Any, path: str) -> Iterator[str]:
    if node is None or value is None:
        return
    if node.type in _EXPECTED or node.type in _NUMBERS:
        problem = _mismatch(node, value)
        if problem:
            yield f"{path}: {problem}"
            return
    if isinstance(value, dict):
        yield from _check_fields(node, value, path)
    elif isinstance(value, list) and kind_of(node, value) == ITEMS:
        yield from _check_items(node, value, path)
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            yield from _check(node.items, item, f"{path}[{index}]")


def _mismatch(node: Node, value: Any) -> str:
    if node.type == "object":
        return "" if isinstance(value, dict) else f"expected map, got {_shown(value)}"
    if node.type == "array":
        return "" if isinstance(value, list) else f"expected list, got {_shown(value)}"
    if node.type in _NUMBERS:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if fits else f"expected {_NUMBERS[node.type]}, got {_go_type(value)}"
    fits = isinstance(value, str if node.type == "string" else bool)
    return "" if fits else f"expected {_EXPECTED[node.type]}, got {_shown(value)}"


def _shown(value: Any) -> str:
    return f"&{{{value}}}"


def _go_type(value: Any) -> str:
    return {str: "string", bool: "bool"}.get(type(value), "map" if isinstance(value, dict) else "list")


def _check_fields(node: Node, value: dict[str, Any], path: str) -> Iterator[str]:
    for name, item in value.items():
        if _is_unknown(node, name):
            yield f"{path}.{name}: field not declared in schema"
        else:
            yield from _check(child_node(node, name), item, f"{path}.{name}")


def _is_unknown(node: Node, name: str) -> bool:
    if node.keeps_unknown or node.additional is not None or name in node.properties:
        return False
    return node.type == "object"


def _check_items(node: Node, value: list[Any], path: str) -> Iterator[str]:
    seen: set[str] = set()
    try:
        for element, item in items(node, value):
            if element in seen:
                yield f"{path}: duplicate entries for key {_key(element)}"
            seen.add(element)
            yield from _check(node.items, item, f"{path}{_key(element)}")
    except TypedError as error:
        yield f"{path}: {error}"


def _key(element: str) -> str:
    return show((element,))
