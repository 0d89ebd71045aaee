"""What changed between two objects, place by place."""

from typing import Any

from mnist_local.apiserver.patch import fieldset
from mnist_local.apiserver.patch.fieldset import Path
from mnist_local.apiserver.patch.typed import FIELDS, ITEMS, LEAF, child_node, items, kind_of
from mnist_local.apiserver.schema.node import MISSING, Node


class Changes:
    """Places added, changed and removed; containers that come or go count as places themselves."""

    __slots__ = ("added", "modified", "removed")

    def __init__(self) -> None:
        self.added: set[Path] = set()
        self.modified: set[Path] = set()
        self.removed: set[Path] = set()

    def __bool__(self) -> bool:
        return bool(self.added or self.modified or self.removed)

    def keep_only(self, element: str) -> None:
        """Forget changes outside of one top-level field."""
        for places in (self.added, self.modified, self.removed):
            places -= {path for path in places if path[0] != element}

    def ignore(self, element: str) -> None:
        """Forget changes inside of one top-level field."""
        for places in (self.added, self.modified, self.removed):
            places -= {path for path in places if path[0] == element}


def compare(node: Node | None, old: Any, new: Any) -> Changes:
    """The changes from `old` to `new`."""
    changes = Changes()
    _compare(node, old, new, (), changes)
    return changes


def _compare(node: Node | None, old: Any, new: Any, path: Path, changes: Changes) -> None:
    if old is new:
        return
    if old is MISSING:
        _whole(node, new, path, changes.added)
    elif new is MISSING:
        _whole(node, old, path, changes.removed)
    elif old != new or type(old) is not type(new):
        kind = kind_of(node, new)
        if old is None and new and kind != LEAF:
            old = type(new)()  # null is an empty container of any kind
        if kind != kind_of(node, old) or kind == LEAF:
            _replaced(node, old, new, path, changes)
        elif kind == FIELDS:
            _compare_fields(node, old, new, path, changes)
        else:
            _compare_items(node, old, new, path, changes)


def _compare_fields(node: Node | None, old: Any, new: Any, path: Path, changes: Changes) -> None:
    for name in {**old, **new}:
        child_path = (*path, fieldset.field(name))
        _compare(child_node(node, name), old.get(name, MISSING), new.get(name, MISSING), child_path, changes)


def _compare_items(node: Node | None, old: Any, new: Any, path: Path, changes: Changes) -> None:
    assert node is not None
    olds, news = dict(items(node, old)), dict(items(node, new))
    for element in {**olds, **news}:
        before, after = olds.get(element, MISSING), news.get(element, MISSING)
        _compare(node.items, before, after, (*path, element), changes)


def _replaced(node: Node | None, old: Any, new: Any, path: Path, changes: Changes) -> None:
    """A leaf with another value, or a value of another kind."""
    changes.modified.add(path)
    for value, places in ((old, changes.removed), (new, changes.added)):
        if kind_of(node, value) != LEAF:
            _below(node, value, path, places)


def _whole(node: Node | None, value: Any, path: Path, places: set[Path]) -> None:
    if path:
        places.add(path)
    _below(node, value, path, places)


def _below(node: Node | None, value: Any, path: Path, places: set[Path]) -> None:
    kind = kind_of(node, value)
    if kind == FIELDS:
        for name, item in value.items():
            _whole(child_node(node, name), item, (*path, fieldset.field(name)), places)
    elif kind == ITEMS:
        assert node is not None
        for element, item in items(node, value):
            _whole(node.items, item, (*path, element), places)
