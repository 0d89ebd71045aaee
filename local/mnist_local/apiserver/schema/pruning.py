"""Removing fields that the schema does not know, in place."""

from typing import Any

from mnist_local.apiserver.schema.node import Node
from mnist_local.apiserver.schema.types.nodes import object_meta

META_FIELDS = ("apiVersion", "kind", "metadata")


def prune(value: Any, node: Node | None, *, is_root: bool = False) -> list[str]:
    """Prune and return the removed paths, sorted, as "spec.containers[0].foo".

    At the root (`is_root`) and in embedded resources apiVersion, kind and metadata stay.
    """
    removed: list[str] = []
    _prune(value, node, "", removed, keeps_meta=is_root)
    return sorted(removed)


def prune_metadata(obj: dict[str, Any], node: Node) -> list[str]:
    """Prune unknown fields of the metadata of a custom resource and of the resources embedded in it."""
    removed: list[str] = []
    _prune_metadata(obj, node, "", removed, is_resource=True)
    return removed


def _prune_metadata(value: Any, node: Node | None, path: str, removed: list[str], *, is_resource: bool) -> None:
    if node is None:
        return
    if isinstance(value, dict):
        if is_resource and isinstance(value.get("metadata"), dict):
            _prune(value["metadata"], object_meta(), _join(path, "metadata"), removed)
        for name, item in value.items():
            child = node.child(name)
            if child is not None and isinstance(item, dict | list):
                _prune_metadata(item, child, _join(path, name), removed, is_resource=child.embedded)
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            _prune_metadata(item, node.items, f"{path}[{index}]", removed, is_resource=node.items.embedded)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _prune(value: Any, node: Node | None, path: str, removed: list[str], *, keeps_meta: bool = False) -> None:
    if node is not None and node.preserve_unknown:
        _prune_known(value, node, path, removed, keeps_meta=keeps_meta)
    elif isinstance(value, dict):
        keeps_meta = keeps_meta or (node is not None and node.embedded)
        for name in list(value):
            if keeps_meta and name in META_FIELDS:
                continue
            child = node.properties.get(name) if node is not None else None
            if child is not None or (node is not None and node.additional_given):
                if isinstance(value[name], dict | list):
                    _prune(value[name], child or node.additional, _join(path, name), removed)  # type: ignore[union-attr]
            else:
                removed.append(_join(path, name))
                del value[name]
    elif isinstance(value, list):
        items = node.items if node is not None else None
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                _prune(item, items, f"{path}[{index}]", removed)


def _prune_known(value: Any, node: Node | None, path: str, removed: list[str], *, keeps_meta: bool = False) -> None:
    """Below preserve-unknown-fields only what is declared is looked into."""
    if node is None:
        return
    if isinstance(value, dict):
        keeps_meta = keeps_meta or node.embedded
        for name, item in value.items():
            if (keeps_meta and name in META_FIELDS) or not isinstance(item, dict | list):
                continue
            child = node.properties.get(name)
            if child is not None or node.additional_given:
                _prune(item, child or node.additional, _join(path, name), removed)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _prune_known(item, node.items, f"{path}[{index}]", removed)
