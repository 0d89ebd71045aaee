"""JSON merge patch, RFC 7396."""

from typing import Any

from mnist_local.apiserver.patch.errors import PatchError
from mnist_local.apiserver.schema.node import copy


def merge_patch(obj: dict[str, Any], patch: Any) -> dict[str, Any]:
    """Merge `patch` into `obj`; returns a new object. Raises `PatchError` (400) when the patch is no object."""
    if not isinstance(patch, dict):
        raise PatchError(400, "a JSON merge patch is an object")
    merged: dict[str, Any] = _merge(obj, patch)
    return merged


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge(result.get(name), value)
    for name, value in result.items():
        if name not in patch and isinstance(value, dict | list):
            result[name] = copy(value)
    return result
