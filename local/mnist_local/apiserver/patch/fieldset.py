"""Sets of fields in the form of `managedFields` (FieldsV1).

A set is a tree of path elements: "f:name" is a field, 'k:{"name":"x"}' an item of a list by its keys, 'v:"x"' an item
by its value. A place is in the set when its node is empty or holds "."; other nodes only lead to places.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

Fields = dict[str, Any]
Path = tuple[str, ...]
_SELF = "."


def field(name: str) -> str:
    """The path element of a named field."""
    return f"f:{name}"


def key(keys: dict[str, Any]) -> str:
    """The path element of a list item with these keys."""
    return f"k:{json.dumps(keys, separators=(',', ':'), sort_keys=True, ensure_ascii=False)}"


def value(item: Any) -> str:
    """The path element of a list item with this value."""
    return f"v:{json.dumps(item, separators=(',', ':'), sort_keys=True, ensure_ascii=False)}"


def contains(fields: Fields, path: Path) -> bool:
    """Whether the place itself is in the set."""
    node = fields
    for element in path:
        child = node.get(element)
        if child is None:
            return False
        node = child
    return bool(path) and (not node or _SELF in node)


def insert(fields: Fields, path: Path) -> None:
    """Add a place; the whole object (an empty path) is never tracked."""
    node = fields
    for depth, element in enumerate(path):
        child = node.get(element)
        if child is None:
            for rest in path[depth:]:
                child = node[rest] = {}
                node = child
            return
        if not child and depth < len(path) - 1:
            child[_SELF] = {}
        node = child
    if path and node:
        node[_SELF] = {}


def discard(fields: Fields, path: Path) -> None:
    """Remove a place, and what only led to it."""
    node, parents = fields, []
    for element in path:
        child = node.get(element)
        if child is None:
            return
        parents.append((node, element))
        node = child
    if not path or (node and _SELF not in node):
        return
    node.pop(_SELF, None)
    if len(node) > 0:
        return
    while parents:
        parent, element = parents.pop()
        del parent[element]
        if parent:
            if set(parent) == {_SELF} and parents:
                del parent[_SELF]  # a place without further ones is an empty node
            return


def paths(fields: Fields) -> set[Path]:
    """All places of a set."""
    return set(_paths(fields, ()))


def _paths(fields: Fields, prefix: Path) -> Iterator[Path]:
    for element, child in fields.items():
        if element == _SELF:
            continue
        path = (*prefix, element)
        if not child or _SELF in child:
            yield path
        if child:
            yield from _paths(child, path)


def from_paths(places: Iterable[Path]) -> Fields:
    """The set of these places."""
    fields: Fields = {}
    for path in sorted(places):
        insert(fields, path)
    return fields


def ordered(fields: Fields) -> Fields:
    """The same set with its elements in the server's order."""
    return {element: ordered(fields[element]) if fields[element] else {} for element in sorted(fields)}


def show(path: Path) -> str:
    """A path as messages have it: `.spec.ports[name="http"].port`."""
    return "".join(_show(element) for element in path)


def _show(element: str) -> str:
    kind, rest = element[0], element[2:]
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        pairs = ",".join(f"{name}={json.dumps(v, ensure_ascii=False)}" for name, v in json.loads(rest).items())
        return f"[{pairs}]"
    return f"[={rest}]" if kind == "v" else f"[{rest}]"
