"""Strategic merge patch: like a merge patch, but lists with a merge key are merged item by item.

Source: Kubernetes' documentation of strategic merge patch and its directives (`$patch`, `$retainKeys`,
`$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`).
"""

from typing import Any, Final

from mnist_local.apiserver.patch.errors import PatchError
from mnist_local.apiserver.schema import Schema
from mnist_local.apiserver.schema.node import Node, copy, same

_PATCH: Final = "$patch"
_RETAIN_KEYS: Final = "$retainKeys"
_ORDER: Final = "$setElementOrder/"
_DELETE: Final = "$deleteFromPrimitiveList/"


def strategic_merge(schema: Schema, obj: dict[str, Any], patch: Any) -> dict[str, Any]:
    """Apply a strategic merge patch to an object; returns a new one.

    Raises `PatchError`: 400 when the patch is no object or a directive is malformed, 500 (as the API server) for an
    unknown directive and for an item without its merge key.
    """
    if not isinstance(patch, dict):
        raise PatchError(400, "a strategic merge patch is an object")
    original: dict[str, Any] = copy(obj)
    return _merge_map(original, patch, schema.merge_root)


def _merge_map(original: dict[str, Any], patch: dict[str, Any], node: Node | None) -> dict[str, Any]:
    directive = patch.get(_PATCH)
    if directive == "replace":
        return {name: _clean(value) for name, value in patch.items() if name != _PATCH and value is not None}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise PatchError(500, f"unknown patch type: {directive}")
    retained = patch.get(_RETAIN_KEYS)
    if retained is not None:
        original = _retain(original, patch, retained)
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        child = node.child(name) if node is not None else None
        order = patch.get(f"{_ORDER}{name}")
        if value is None:
            original.pop(name, None)
        else:
            original[name] = _merge_value(original.get(name), value, child, order)
    _merge_listed(original, patch, node)
    return original


def _retain(original: dict[str, Any], patch: dict[str, Any], retained: Any) -> dict[str, Any]:
    if not isinstance(retained, list):
        raise PatchError(400, "invalid patch format of $retainKeys")
    for name in patch:
        if name not in (_RETAIN_KEYS, _PATCH) and name not in retained:
            raise PatchError(400, "patch contains fields not in $retainKeys list")
    return {name: value for name, value in original.items() if name in retained}


def _merge_value(original: Any, value: Any, node: Node | None, order: Any) -> Any:
    strategy = node.patch_strategy if node is not None else ()
    if isinstance(value, dict):
        if isinstance(original, dict) and "replace" not in strategy:
            return _merge_map(original, value, node)
        return {} if value.get(_PATCH) == "delete" else _clean(value)
    if isinstance(value, list):
        return _merge_list(original if isinstance(original, list) else [], value, node, order)
    return value


def _merge_listed(original: dict[str, Any], patch: dict[str, Any], node: Node | None) -> None:
    """Deletions from lists of scalars, and orders of lists that the patch does not change otherwise."""
    for name, value in patch.items():
        if name.startswith(_DELETE):
            target = original.get(name[len(_DELETE) :])
            if isinstance(target, list) and isinstance(value, list):
                target[:] = [item for item in target if not any(same(item, gone) for gone in value)]
        elif name.startswith(_ORDER):
            field = name[len(_ORDER) :]
            target = original.get(field)
            if isinstance(target, list) and field not in patch and isinstance(value, list):
                child = node.child(field) if node is not None else None
                original[field] = _ordered(target, list(target), value, child.patch_key if child else "")


def _merge_list(original: list[Any], patch: list[Any], node: Node | None, order: Any) -> list[Any]:
    if node is None or "merge" not in node.patch_strategy:
        return [_clean(item) for item in patch if not _is_directive(item)]
    key = node.patch_key
    if any(_is_directive(item) and item[_PATCH] == "replace" for item in patch):
        return [_clean(item) for item in patch if not _is_directive(item)]
    merged = _merge_items(original, patch, key, node.items) if key else _union(original, patch)
    # Without an order of its own the patch's items come in the order in which it has them.
    known = order if isinstance(order, list) else [item for item in patch if not _is_directive(item)]
    return _ordered(merged, original, known, key)


def _is_directive(item: Any) -> bool:
    return isinstance(item, dict) and _PATCH in item


def _union(original: list[Any], patch: list[Any]) -> list[Any]:
    merged = list(original)
    merged += [item for item in patch if not any(same(item, known) for known in merged)]
    return merged


def _key_of(item: Any, key: str) -> Any:
    if not isinstance(item, dict):
        raise PatchError(400, "expected a list of objects")
    if key not in item:
        raise PatchError(500, f"map: an item does not contain declared merge key: {key}")
    return item[key]


def _merge_items(original: list[Any], patch: list[Any], key: str, items: Node | None) -> list[Any]:
    merged = list(original)
    for item in patch:
        wanted = _key_of(item, key)
        found = next((i for i, known in enumerate(merged) if isinstance(known, dict) and known.get(key) == wanted), -1)
        if item.get(_PATCH) == "delete":
            merged = [known for known in merged if not (isinstance(known, dict) and known.get(key) == wanted)]
        elif found < 0:
            merged.append(_clean(item))
        else:
            merged[found] = _merge_map(dict(merged[found]), item, items)
    return merged


def _ordered(merged: list[Any], server: list[Any], order: list[Any], key: str) -> list[Any]:
    """Items the patch knows in its order; those only the server knows stay before what they were before."""

    def identity(item: Any) -> Any:
        value = item.get(key) if key and isinstance(item, dict) else item
        return (type(value).__name__, value) if not isinstance(value, dict | list) else repr(value)

    ranks = {identity(item): rank for rank, item in enumerate(order)}
    places = {identity(item): place for place, item in enumerate(server)}
    known = sorted((item for item in merged if identity(item) in ranks), key=lambda item: ranks[identity(item)])
    rest = [item for item in merged if identity(item) not in ranks]
    result: list[Any] = []
    while known or rest:
        if known and rest:
            left, right = places.get(identity(rest[0])), places.get(identity(known[0]))
            take_rest = left is not None and right is not None and left < right
        else:
            take_rest = bool(rest)
        result.append((rest if take_rest else known).pop(0))
    return result


def _clean(value: Any) -> Any:
    """What a patch adds where nothing was: no directives, no nulls."""
    if isinstance(value, dict):
        return {
            name: _clean(item)
            for name, item in value.items()
            if item is not None and not name.startswith("$") and not (_is_directive(item) and item[_PATCH] == "delete")
        }
    if isinstance(value, list):
        return [_clean(item) for item in value if not (_is_directive(item) and item[_PATCH] == "delete")]
    return value
