"""How values of a schema merge: as a leaf, a map of fields, or a list of items with identities.

Source: structured-merge-diff. What no schema describes (below preserve-unknown-fields) merges by what it is: objects
field by field, lists and scalars as a whole.
"""

from collections.abc import Iterator
from typing import Any, Final

from mnist_local.apiserver.patch import fieldset
from mnist_local.apiserver.patch.fieldset import Path
from mnist_local.apiserver.schema.node import MISSING, Node

LEAF: Final = "leaf"
FIELDS: Final = "fields"
ITEMS: Final = "items"


class TypedError(ValueError):
    """A value that does not conform to its schema, or list items that have no identity."""


def kind_of(node: Node | None, value: Any) -> str:
    """How a value merges: `LEAF`, `FIELDS` or `ITEMS`."""
    if isinstance(value, dict):
        return LEAF if node is not None and node.map_type == "atomic" else FIELDS
    if isinstance(value, list):
        return ITEMS if node is not None and node.list_type in ("set", "map") else LEAF
    return LEAF


def child_node(node: Node | None, name: str) -> Node | None:
    """The schema of a field, None where there is none."""
    return node.child(name) if node is not None else None


def declares(node: Node | None, name: str) -> bool:
    """Whether a field is declared by name (and not only allowed)."""
    return node is not None and name in node.properties


def items(node: Node, values: list[Any]) -> Iterator[tuple[str, Any]]:
    """The items of a set or map list with their path elements; raises `TypedError` for one without identity."""
    for index, item in enumerate(values):
        try:
            yield _element(node, item), item
        except TypedError as error:
            raise TypedError(f"element {index}: {error}") from None


def _element(node: Node, item: Any) -> str:
    if node.list_type == "set":
        if item is None or isinstance(item, dict | list):
            raise TypedError("associative list without keys has an element that's a map type")
        return fieldset.value(item)
    if not isinstance(item, dict):
        raise TypedError("associative list with keys may not have non-map elements")
    keys = {}
    for name in node.map_keys:
        if name in item:
            keys[name] = item[name]
        else:
            field = node.items.properties.get(name) if node.items is not None else None
            if field is not None and field.default is not MISSING:
                keys[name] = field.default
    if not keys:
        names = " ".join(f'"{name}"' for name in node.map_keys)
        raise TypedError(
            f"associative list with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
    return fieldset.key(keys)


def field_set(node: Node | None, value: Any) -> set[Path]:
    """Every leaf and item of a value."""
    found: set[Path] = set()
    _collect(node, value, (), found)
    return found


def _collect(node: Node | None, value: Any, path: Path, found: set[Path]) -> None:
    kind = kind_of(node, value)
    if kind == LEAF:
        if path:
            found.add(path)
    elif kind == FIELDS:
        for name, item in value.items():
            child_path = (*path, fieldset.field(name))
            _collect(child_node(node, name), item, child_path, found)
            if item is None or item == {} or not declares(node, name):
                found.add(child_path)
    else:
        assert node is not None
        for element, item in items(node, value):
            found.add((*path, element))
            _collect(node.items, item, (*path, element), found)


def with_parents(node: Node | None, places: set[Path]) -> set[Path]:
    """The places and the declared fields that lead to them."""
    result = set(places)
    for path in places:
        current = node
        for depth, element in enumerate(path[:-1], start=1):
            if element[0] == "f":
                name = element[2:]
                if declares(current, name):
                    result.add(path[:depth])
                current = child_node(current, name)
            else:
                current = current.items if current is not None else None
    return result


def remove(node: Node | None, value: Any, places: set[Path]) -> Any:
    """The value without these places; `MISSING` when nothing is left of a container that had something removed."""
    if not places:
        return value
    kind = kind_of(node, value)
    if kind == LEAF:
        return value
    below: dict[str, set[Path]] = {}
    gone = set()
    for path in places:
        if len(path) == 1:
            gone.add(path[0])
        else:
            below.setdefault(path[0], set()).add(path[1:])
    if kind == FIELDS:
        return _remove_fields(node, value, gone, below)
    assert node is not None
    kept = []
    for element, item in items(node, value):
        if element not in gone:
            rest = remove(node.items, item, below.get(element, set()))
            kept.append({} if rest is MISSING else rest)
    return kept or MISSING


def _remove_fields(node: Node | None, value: dict[str, Any], gone: set[str], below: dict[str, set[Path]]) -> Any:
    kept = {}
    for name, item in value.items():
        element = fieldset.field(name)
        if element in gone:
            continue
        rest = remove(child_node(node, name), item, below.get(element, set()))
        if rest is not MISSING:
            kept[name] = rest
    return kept if kept or not value else MISSING
