"""Merging an applied configuration into an object."""

from typing import Any

from mnist_local.apiserver.patch.typed import FIELDS, ITEMS, LEAF, child_node, items, kind_of
from mnist_local.apiserver.schema.node import MISSING, Node, copy


def merge(node: Node | None, live: Any, applied: Any) -> Any:
    """`live` with everything that `applied` says; nothing is removed."""
    if applied is MISSING:
        return copy(live)
    if live is MISSING:
        return copy(applied)
    if applied is None and live and kind_of(node, live) != LEAF:
        return copy(live)  # null says nothing about the items of a container
    kind = kind_of(node, applied)
    if kind == FIELDS and isinstance(live, dict):
        return {
            name: merge(child_node(node, name), live.get(name, MISSING), applied.get(name, MISSING))
            for name in {**live, **applied}
        }
    if kind == ITEMS and isinstance(live, list):
        assert node is not None
        return _merge_items(node, live, applied)
    return copy(applied)


def _merge_items(node: Node, live: list[Any], applied: list[Any]) -> list[Any]:
    """Shared items in the order of `applied`, each live one staying behind the shared one it followed."""
    lives, applieds = dict(items(node, live)), dict(items(node, applied))
    left, right = list(lives), list(applieds)
    shared = [element for element in right if element in lives]
    merged: dict[str, Any] = {}
    i = j = 0
    while i < len(left) or j < len(right):
        next_shared = next((element for element in shared if element not in merged), None)
        if i < len(left) and j < len(right):
            if left[i] == right[j]:
                merged[left[i]] = merge(node.items, lives[left[i]], applieds[left[i]])
                i, j = i + 1, j + 1
                continue
            if left[i] in applieds and next_shared is not None and next_shared != left[i]:
                i += 1
                continue
        if i < len(left):
            if left[i] not in applieds:
                merged[left[i]] = copy(lives[left[i]])
                i += 1
                continue
            if left[i] in merged:
                i += 1
        if j < len(right):
            merged[right[j]] = merge(node.items, lives.get(right[j], MISSING), applieds[right[j]])
            j += 1
    return list(merged.values())
