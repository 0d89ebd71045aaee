"""Uniqueness in lists of type `set` and `map`."""

from collections.abc import Iterator
from typing import Any

from mnist_local.apiserver.schema import errors, gojson
from mnist_local.apiserver.schema.errors import FieldError
from mnist_local.apiserver.schema.node import Node


def check_lists(value: Any, node: Node | None, path: str) -> Iterator[FieldError]:
    """Each second appearance of an item (set) or of its keys (map), once per value."""
    if node is None or not node.keyed_below:
        return
    if isinstance(value, dict):
        yield from _check_fields(value, node, path)
    elif isinstance(value, list):
        if node.list_type == "set":
            for index in _repeated(value):
                yield errors.duplicate(f"{path}[{index}]", value[index])
        elif node.list_type == "map":
            yield from _check_map(value, node, path)
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                yield from check_lists(item, node.items, f"{path}[{index}]")


def _check_fields(value: dict[str, Any], node: Node, path: str) -> Iterator[FieldError]:
    properties = node.properties
    for name, item in value.items():
        if isinstance(item, dict | list):
            child = properties.get(name)
            if child is not None:
                yield from check_lists(item, child, f"{path}.{name}" if path else name)
            elif node.additional is not None:
                yield from check_lists(item, node.additional, f"{path}[{name}]")


def _check_map(value: list[Any], node: Node, path: str) -> Iterator[FieldError]:
    for index, item in enumerate(value):
        if item is not None and not isinstance(item, dict):
            yield errors.invalid(f"{path}[{index}]", item, "must be an object for an array of list-type map")
            return
    keys = [{name: item[name] for name in node.map_keys if name in item} if item else {} for item in value]
    for index in _repeated(keys):
        yield errors.duplicate(f"{path}[{index}]", keys[index])


def _repeated(values: list[Any]) -> Iterator[int]:
    """Indices of the second appearances."""
    times: dict[str, int] = {}
    for index, value in enumerate(values):
        key = gojson.marshal(value)
        times[key] = times.get(key, 0) + 1
        if times[key] == 2:
            yield index
