"""Filling in defaults, in place."""

from typing import Any

from mnist_local.apiserver.schema.jsonvalue import copy
from mnist_local.apiserver.schema.node import MISSING, Node


def drop_nulls(value: Any, node: Node | None) -> None:
    """Remove nulls where null is not allowed and no default would replace it."""
    if isinstance(value, dict):
        for name in list(value):
            child = node.child(name) if node is not None else None
            item = value[name]
            if item is None:
                if child is not None and not child.nullable and child.default is MISSING:
                    del value[name]
            elif isinstance(item, dict | list):
                drop_nulls(item, child)
    elif isinstance(value, list):
        items = node.items if node is not None else None
        for item in value:
            drop_nulls(item, items)


def apply_defaults(value: Any, node: Node | None) -> None:
    """Set what is absent, or null and not nullable, to its default, then go deeper (also into defaults just set)."""
    if node is None:
        return
    if isinstance(value, dict):
        _default_fields(value, node)
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            if item is None:
                _default_null(value, index, node.items)
            if isinstance(value[index], dict | list):
                apply_defaults(value[index], node.items)


def _default_fields(value: dict[str, Any], node: Node) -> None:
    for name, child in node.properties.items():
        if child.default is not MISSING and (name not in value or (value[name] is None and not child.nullable)):
            value[name] = copy(child.default)
    for name, item in value.items():
        child_node = node.child(name)
        if child_node is None:
            continue
        if item is None:
            _default_null(value, name, child_node)
        if isinstance(value[name], dict | list):
            apply_defaults(value[name], child_node)


def _default_null(container: Any, key: str | int, node: Node) -> None:
    if not node.nullable and node.default is not MISSING:
        container[key] = copy(node.default)
