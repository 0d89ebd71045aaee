"""JSON patch, RFC 6902, with the API server's two kinds of failure.

The server is laxer than the RFC in three ways: `replace` of an absent member adds it, `test` of an absent member with
null passes, and `add` without a value adds null.
"""

from types import MappingProxyType
from typing import Any

import jsonpatch
import jsonpointer

from mnist_local.apiserver.patch.errors import PatchError
from mnist_local.apiserver.schema.node import copy, same

MAX_OPERATIONS = 10_000


class _Test(jsonpatch.TestOperation):
    """`test` that tells true from 1 and 1 from 1.0."""

    def apply(self, obj: Any) -> Any:
        try:
            value = self.pointer.resolve(obj)
        except jsonpointer.JsonPointerException:
            value = None
        if not same(value, self.operation.get("value")):
            raise jsonpatch.JsonPatchTestFailed(f"testing value {self.location} failed: test failed")
        return obj


class _Replace(jsonpatch.ReplaceOperation):
    """`replace` that adds an absent member."""

    def apply(self, obj: Any) -> Any:
        parent, part = self.pointer.to_last(obj)
        if part is not None and isinstance(parent, dict):
            parent[part] = self.operation.get("value")
            return obj
        return super().apply(obj)


class _Patch(jsonpatch.JsonPatch):
    operations = MappingProxyType({**jsonpatch.JsonPatch.operations, "test": _Test, "replace": _Replace})


def json_patch(obj: dict[str, Any], patch: Any, *, in_place: bool = False) -> dict[str, Any]:
    """Apply a JSON patch to an object; returns a new one, or with `in_place` the object itself, changed.

    Raises `PatchError`: 400 when the patch is no list of objects, 413 when it has too many operations, 422 when an
    operation is unknown, does not fit the object or a `test` fails.
    """
    if not isinstance(patch, list) or not all(isinstance(operation, dict) for operation in patch):
        raise PatchError(400, "error decoding patch: a JSON patch is a list of operations")
    if len(patch) > MAX_OPERATIONS:
        message = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(patch)}"
        raise PatchError(413, message)
    operations = [{"value": None, **op} if op.get("op") in ("add", "replace") else op for op in copy(patch)]
    try:
        result = _Patch(operations).apply(obj if in_place else copy(obj), in_place=True)
    except jsonpatch.JsonPatchException as error:
        raise PatchError(422, str(error)) from error
    except (jsonpointer.JsonPointerException, TypeError, KeyError, IndexError, ValueError):
        # These exceptions quote the object, which may be a Secret.
        raise PatchError(422, "an operation names a path that the object does not have") from None
    if not isinstance(result, dict):
        raise PatchError(422, "the patched value is no object")
    return result
