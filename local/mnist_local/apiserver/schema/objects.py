"""What a schema does to an object before it is checked, in place: unknown fields go, nulls go, defaults come.

And the checks that need no more than a walk: types, and the uniqueness of items in lists of type set or map.
"""

from collections.abc import Iterator
from typing import Any, Final

from mnist_local.apiserver.schema import errors
from mnist_local.apiserver.schema.errors import FieldError
from mnist_local.apiserver.schema.node import MISSING, Node, copy, type_name

_META: Final = ("apiVersion", "kind", "metadata")


def prune(obj: dict[str, Any], root: Node) -> list[str]:
    """Remove the fields of an object that its schema does not know; returns their paths, sorted."""
    removed: list[str] = []
    for name in list(obj):
        child = root.child(name)
        if name in _META:
            continue
        if child is not None:
            prune_below(obj[name], child, name, removed)
        elif not root.keeps_unknown:
            removed.append(name)
            del obj[name]
    return sorted(removed)


def prune_below(value: Any, node: Node, path: str, removed: list[str]) -> None:
    """Prune a value and add the removed paths to `removed`."""
    if isinstance(value, dict):
        for name in list(value):
            child = node.child(name)
            where = f"{path}.{name}"
            if child is not None:
                prune_below(value[name], child, where, removed)
            elif not node.keeps_unknown:
                removed.append(where)
                del value[name]
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            prune_below(item, node.items, f"{path}[{index}]", removed)


def fill(value: Any, node: Node) -> None:
    """Drop nulls where null is not allowed, set what is absent to its default, then go deeper (into defaults, too)."""
    if isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            if item is None and node.items.default is not MISSING and not node.items.nullable:
                value[index] = copy(node.items.default)
            fill(value[index], node.items)
    if not isinstance(value, dict):
        return
    for name in [name for name, item in value.items() if item is None]:
        child = node.child(name)
        if child is not None and not child.nullable:
            del value[name]
    for name, child in node.properties.items():
        if child.default is not MISSING and name not in value:
            value[name] = copy(child.default)
    for name, item in value.items():
        if isinstance(item, dict | list) and (child := node.child(name)) is not None:
            fill(item, child)


def check_lists(value: Any, node: Node | None, path: str) -> Iterator[FieldError]:
    """The second appearance of each item (a list of type set) or of its keys (map)."""
    if node is None:
        return
    if isinstance(value, dict):
        for name, item in value.items():
            yield from check_lists(item, node.child(name), f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        if node.list_type in ("set", "map"):
            yield from _repeated(value, node, path)
        for index, item in enumerate(value):
            yield from check_lists(item, node.items, f"{path}[{index}]")


def _repeated(value: list[Any], node: Node, path: str) -> Iterator[FieldError]:
    times: dict[str, int] = {}
    for index, item in enumerate(value):
        if node.list_type == "map":
            item = {name: item[name] for name in node.map_keys if name in item} if isinstance(item, dict) else {}
        key = errors.compact(item)
        times[key] = times.get(key, 0) + 1
        if times[key] == 2:
            yield errors.duplicate(f"{path}[{index}]", item)


def wrong_types(value: Any, node: Node, path: str = "") -> Iterator[tuple[str, str, str]]:
    """The places whose value has another JSON type than the schema's, each with that type and its own; null is fine."""
    actual = type_name(value)
    if node.type and actual != node.type and (node.type, actual) != ("number", "integer"):
        yield path, node.type, actual
    elif isinstance(value, dict):
        for name, item in value.items():
            child = node.child(name)
            if child is not None and item is not None:
                yield from wrong_types(item, child, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            yield from wrong_types(item, node.items, f"{path}[{index}]")
