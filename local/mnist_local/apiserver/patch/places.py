"""Places in an object, as field ownership counts them (KEP-555): fields, and items of lists that have an identity.

A place is a path of elements: "f:name" is a field, 'k:{"name":"x"}' an item of a list by its keys, 'v:"x"' an item by
its value. How far paths go is the schema's business: atomic objects and lists are one place. `managedFields` keeps a
set of places as a tree; a place is in the set when its node is empty or holds ".", other nodes only lead to places.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from mnist_local.apiserver.schema.errors import compact
from mnist_local.apiserver.schema.node import MISSING, Node, copy

Fields = dict[str, Any]
Path = tuple[str, ...]
_SELF: Final = "."


class TypedError(ValueError):
    """A list whose items cannot be told apart."""


def contains(fields: Fields, path: Path) -> bool:
    """Whether a tree has the place itself."""
    node = fields
    for element in path:
        if element not in node:
            return False
        node = node[element]
    return bool(path) and (not node or _SELF in node)


def insert(fields: Fields, path: Path) -> None:
    """Add a place to a tree; the whole object (an empty path) is never one."""
    node = fields
    for depth, element in enumerate(path, start=1):
        child = node.get(element)
        if child is None:
            child = node[element] = {}
            if depth == len(path):
                return
        elif not child and depth < len(path):
            child[_SELF] = {}  # it was a place, and stays one above others
        node = child
    if node and path:
        node[_SELF] = {}


def tree(places: Iterable[Path]) -> Fields:
    """The tree of a set of places, in the API's order."""
    fields: Fields = {}
    for path in sorted(places):
        insert(fields, path)
    return fields


def paths(fields: Fields, prefix: Path = ()) -> Iterator[Path]:
    """All places of a tree."""
    for element, child in fields.items():
        if element != _SELF:
            if not child or _SELF in child:
                yield (*prefix, element)
            yield from paths(child, (*prefix, element))


def show(path: Path) -> str:
    """A path as messages have it: `.spec.ports[name="http"].port`."""
    return "".join(_show(element) for element in path)


def _show(element: str) -> str:
    kind, rest = element[0], element[2:]
    if kind == "f":
        return f".{rest}"
    pairs = ",".join(f"{name}={compact(v)}" for name, v in json.loads(rest).items()) if kind == "k" else f"={rest}"
    return f"[{pairs}]"


def parts(node: Node | None, value: Any) -> dict[str, tuple[Node | None, Any]] | None:
    """The places right below a value, by element, with schema and value; None where it is one place as a whole.

    Raises:
        TypedError: items of a list have no identity, or the same.
    """
    if isinstance(value, dict) and (node is None or node.map_type != "atomic"):
        return {f"f:{name}": (node.child(name) if node is not None else None, item) for name, item in value.items()}
    if not isinstance(value, list) or node is None or node.list_type not in ("set", "map"):
        return None
    found = {_element(node, item): (node.items, item) for item in value}
    if len(found) < len(value):
        raise TypedError("a list has several items with the same keys")
    return found


def _element(node: Node, item: Any) -> str:
    if node.list_type == "set":
        return f"v:{compact(item)}"
    properties = node.items.properties if node.items is not None else {}
    keys = {}
    for name in node.map_keys if isinstance(item, dict) else ():
        default = properties[name].default if name in properties else MISSING
        if (found := item.get(name, default)) is not MISSING:
            keys[name] = found
    if not keys:
        raise TypedError(f"an item of a list has none of its keys ({', '.join(node.map_keys)})")
    return f"k:{compact(keys)}"


def places_of(node: Node | None, value: Any, prefix: Path = ()) -> Iterator[Path]:
    """The places that a value says something about: leaves, items, and empty objects."""
    below = parts(node, value)
    if prefix and (not below or prefix[-1][0] != "f"):
        yield prefix
    for element, (child, item) in (below or {}).items():
        yield from places_of(child, item, (*prefix, element))


@dataclass(slots=True)
class Changes:
    """Places that were set, and places that went; objects and items that come or go count themselves, too."""

    touched: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)


def compare(node: Node | None, old: Any, new: Any) -> Changes:
    """The changes from one object to another."""
    changes = Changes()
    _compare(node, old, new, (), changes)
    return changes


def _compare(node: Node | None, old: Any, new: Any, path: Path, changes: Changes) -> None:
    if old is new or (old == new and type(old) is type(new)):
        return
    olds = None if old is MISSING else parts(node, old)
    news = None if new is MISSING else parts(node, new)
    if path and (olds is None or news is None):
        (changes.removed if new is MISSING else changes.touched).add(path)
    for element in {**(olds or {}), **(news or {})}:
        before, after = (olds or {}).get(element), (news or {}).get(element)
        child = (after or before)[0]  # type: ignore[index]
        _compare(child, before[1] if before else MISSING, after[1] if after else MISSING, (*path, element), changes)


def merge(node: Node | None, live: Any, applied: Any) -> Any:
    """`live` with everything that `applied` says; nothing is removed."""
    lives = parts(node, live) if live is not MISSING else None
    applieds = parts(node, applied)
    if lives is None or applieds is None or isinstance(live, dict) != isinstance(applied, dict):
        return copy(applied)
    elements = list({**lives, **applieds})
    if [element for element in elements if element in applieds] != list(applieds):
        elements = list({**applieds, **lives})  # the applied order of items wins
    merged = {}
    for element in elements:
        if element in applieds:
            child, item = applieds[element]
            merged[element] = merge(child, lives[element][1] if element in lives else MISSING, item)
        else:
            merged[element] = copy(lives[element][1])
    return _assembled(live, merged)


def remove(node: Node | None, value: Any, gone: Iterable[Path]) -> Any:
    """A value without these places; `MISSING` where nothing is left of a container that lost something."""
    found = parts(node, value)
    below: dict[str, list[Path]] = {}
    for path in gone:
        below.setdefault(path[0], []).append(path[1:])
    if found is None or not below:
        return value
    kept = {}
    for element, (child, item) in found.items():
        rest = MISSING if () in below.get(element, ()) else remove(child, item, below.get(element, ()))
        if rest is not MISSING:
            kept[element] = rest
    return _assembled(value, kept) if kept or not found else MISSING


def _assembled(like: Any, merged: dict[str, Any]) -> Any:
    return {element[2:]: item for element, item in merged.items()} if isinstance(like, dict) else list(merged.values())
