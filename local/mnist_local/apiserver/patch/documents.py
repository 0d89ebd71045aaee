"""JSON patch (RFC 6902), JSON merge patch (RFC 7396), and strategic merge patch for built-in kinds.

`kubectl apply` and `kubectl patch` send the last of these for every kind that they are compiled with, and have no other
to fall back on; it is a merge patch that merges lists by a key (`Node.patch_key`) where the kind's type has one.
"""

from typing import Any, Final

import jsonpatch
import jsonpointer

from mnist_local.apiserver.schema import Schema
from mnist_local.apiserver.schema.node import Node, copy

_PATCH: Final = "$patch"
_RETAIN_KEYS: Final = "$retainKeys"
_ORDER: Final = "$setElementOrder/"
_DELETE: Final = "$deleteFromPrimitiveList/"
Obj = dict[str, Any]


class PatchError(Exception):
    """A patch that is malformed (`status_code` 400) or does not fit the object (422)."""

    def __init__(self, status_code: int, message: str) -> None:
        self.status_code = status_code
        self.message = message
        super().__init__(message)


def json_patch(obj: Obj, patch: Any) -> Obj:
    """Apply a JSON patch to an object; returns a new one.

    Raises:
        PatchError: 400 the patch is no list of objects, 422 an operation is unknown, does not fit the object, or is a
            `test` that fails.
    """
    if not isinstance(patch, list) or not all(isinstance(operation, dict) for operation in patch):
        raise PatchError(400, "error decoding patch: a JSON patch is a list of operations")
    try:
        result = jsonpatch.JsonPatch(copy(patch)).apply(copy(obj), in_place=True)
    except jsonpatch.JsonPatchException as error:
        raise PatchError(422, str(error)) from error
    except (jsonpointer.JsonPointerException, TypeError, KeyError, IndexError, ValueError):
        # These exceptions quote the object, which may be a Secret.
        raise PatchError(422, "an operation names a path that the object does not have") from None
    if not isinstance(result, dict):
        raise PatchError(422, "the patched value is no object")
    return result


def merge_patch(obj: Obj, patch: Any) -> Obj:
    """Apply a JSON merge patch to an object; returns a new one.

    Raises:
        PatchError: 400 the patch is no object.
    """
    if not isinstance(patch, dict):
        raise PatchError(400, "a JSON merge patch is an object")
    merged: Obj = _merged(copy(obj), patch)
    return merged


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy(patch)
    result = target if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result


def strategic_merge(schema: Schema, obj: Obj, patch: Any) -> Obj:
    """Apply a strategic merge patch to an object; returns a new one.

    Raises:
        PatchError: 400 the patch is no object, a directive is unknown, or an item has no merge key.
    """
    if not isinstance(patch, dict):
        raise PatchError(400, "a strategic merge patch is an object")
    return _merge_fields(copy(obj), patch, schema.merge_root)


def _merge_fields(original: Obj, patch: Obj, node: Node | None) -> Obj:
    directive = patch.get(_PATCH)
    if directive in ("replace", "delete"):
        return _clean(patch) if directive == "replace" else {}
    if directive not in (None, "merge"):
        raise PatchError(400, f"unknown patch type: {directive}")
    if isinstance(retained := patch.get(_RETAIN_KEYS), list):
        original = {name: value for name, value in original.items() if name in retained}
    for name, value in patch.items():
        child = node.child(name) if node is not None else None
        if name.startswith(_DELETE):
            target = original.get(name.removeprefix(_DELETE))
            if isinstance(target, list):
                target[:] = [item for item in target if item not in value]
        elif name.startswith("$"):
            continue
        elif value is None:
            original.pop(name, None)
        else:
            original[name] = _merge_value(original.get(name), value, child)
    for name in [name for name in patch if name.startswith(_ORDER)]:
        field = name.removeprefix(_ORDER)
        child = node.child(field) if node is not None else None
        if child is not None and isinstance(original.get(field), list):
            original[field] = _ordered(original[field], patch[name], child.patch_key)
    return original


def _merge_value(original: Any, value: Any, node: Node | None) -> Any:
    if isinstance(value, dict):
        return _merge_fields(original if isinstance(original, dict) else {}, value, node)
    if not isinstance(value, list) or node is None or "merge" not in node.patch_strategy:
        return _clean(value)
    if not isinstance(original, list) or any(_is_directive(item, "replace") for item in value):
        original = []
    if not node.patch_key:
        return original + [item for item in value if item not in original]
    return _merge_items(original, value, node)


def _merge_items(original: list[Any], patch: list[Any], node: Node) -> list[Any]:
    merged = {_key(item, node.patch_key): item for item in original}
    for item in patch:
        if _is_directive(item, "replace"):
            continue
        key = _key(item, node.patch_key)
        if _is_directive(item, "delete"):
            merged.pop(key, None)
        else:
            merged[key] = _merge_fields(merged.get(key, {}), item, node.items)
    return list(merged.values())


def _key(item: Any, name: str) -> str:
    if not isinstance(item, dict) or name not in item:
        raise PatchError(400, f"an item of a list does not contain its merge key: {name}")
    return repr(item[name])


def _ordered(items: list[Any], order: list[Any], key: str) -> list[Any]:
    """Items in the patch's order; those that it does not name come last."""

    def identity(item: Any) -> str:
        return _key(item, key) if key else repr(item)

    ranks = {identity(item): rank for rank, item in enumerate(order)}
    return sorted(items, key=lambda item: ranks.get(identity(item), len(ranks)))


def _is_directive(item: Any, directive: str) -> bool:
    return isinstance(item, dict) and item.get(_PATCH) == directive


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _clean(item) for name, item in value.items() if item is not None and not name.startswith("$")}
    if isinstance(value, list):
        return [_clean(item) for item in value if not (isinstance(item, dict) and _PATCH in item)]
    return value
