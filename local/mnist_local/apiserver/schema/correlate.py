"""Finding the old value of a place in an object, for ratcheting and transition rules.

Source: KEP-4008 (CRD validation ratcheting): maps correlate by key, lists of type `map` by their keys, other lists not.
"""

from typing import Any

from mnist_local.apiserver.schema.jsonvalue import same
from mnist_local.apiserver.schema.node import Node


class Correlated:
    """A new value with the old one that stood in the same place."""

    __slots__ = ("_equal", "_old_items", "new", "node", "old")

    def __init__(self, node: Node, new: Any, old: Any) -> None:
        self.node, self.new, self.old = node, new, old
        self._equal: bool | None = None
        self._old_items: dict[Any, Any] | None = None

    def unchanged(self) -> bool:
        """Whether old and new are equal (computed once)."""
        if self._equal is None:
            self._equal = self._compare()
        return self._equal

    def _compare(self) -> bool:
        if self.node.list_type != "map" or not isinstance(self.new, list) or not isinstance(self.old, list):
            return same(self.new, self.old)
        # Order does not count in a list that is a map.
        if len(self.new) != len(self.old):
            return False
        children = [self.index(i) for i in range(len(self.new))]
        return all(child is not None and child.unchanged() for child in children)

    def key(self, name: str) -> "Correlated | None":
        """The pair of a field; None when it has no old value."""
        if not isinstance(self.new, dict) or not isinstance(self.old, dict):
            return None
        if name not in self.new or name not in self.old:
            return None
        node = self.node.child(name)
        return Correlated(node, self.new[name], self.old[name]) if node is not None else None

    def index(self, index: int) -> "Correlated | None":
        """The pair of a list item, found by its keys; None in a list that is no map."""
        if self.node.list_type != "map" or self.node.items is None or not isinstance(self.new, list):
            return None
        if self._old_items is None:
            self._old_items = keyed_items(self.node, self.old)
        old = self._old_items.get(item_key(self.node, self.new[index]))
        return None if old is None else Correlated(self.node.items, self.new[index], old)


def item_key(node: Node, item: Any) -> tuple[Any, ...] | None:
    """The key of an item in a list of type `map`; None for what is no object. Absent key fields count as None."""
    if not isinstance(item, dict):
        return None
    return tuple(_hashable(item.get(name)) for name in node.map_keys)


def _hashable(value: Any) -> Any:
    return (type(value).__name__, value) if isinstance(value, str | int | float | bool) else repr(value)


def keyed_items(node: Node, items: Any) -> dict[Any, Any]:
    """A `map` list by key; the first of several equal keys wins."""
    found: dict[Any, Any] = {}
    for item in items if isinstance(items, list) else ():
        key = item_key(node, item)
        if key is not None:
            found.setdefault(key, item)
    return found
