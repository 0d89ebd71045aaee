"""JSON patch, RFC 6902, with the API server's two kinds of failure."""

from types import MappingProxyType
from typing import Any

import jsonpatch
import jsonpointer

from mnist_local.apiserver.patch.errors import PatchError
from mnist_local.apiserver.schema.jsonvalue import copy, same

MAX_OPERATIONS = 10_000


class _Test(jsonpatch.TestOperation):
    """`test` that tells true from 1; an absent member passes as null, as the API server has it."""

    def apply(self, obj: Any) -> Any:
        if "value" not in self.operation:
            raise jsonpatch.InvalidJsonPatch("The operation does not contain a 'value' member")
        try:
            value = self.pointer.resolve(obj)
        except jsonpointer.JsonPointerException:
            value = None
        if not same(value, self.operation["value"]):
            raise jsonpatch.JsonPatchTestFailed(f"testing value {self.location} failed: test failed")
        return obj


class _Patch(jsonpatch.JsonPatch):
    operations = MappingProxyType({**jsonpatch.JsonPatch.operations, "test": _Test})


def json_patch(obj: dict[str, Any], patch: Any) -> dict[str, Any]:
    """Apply a JSON patch to an object; returns a new one.

    Raises `PatchError`: 400 when the patch is no list of objects, 413 when it has too many operations, 422 when an
    operation is unknown, does not fit the object or a `test` fails.
    """
    if not isinstance(patch, list) or not all(isinstance(operation, dict) for operation in patch):
        raise PatchError(400, "error decoding patch: a JSON patch is a list of operations")
    if len(patch) > MAX_OPERATIONS:
        message = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(patch)}"
        raise PatchError(413, message)
    try:
        result = _Patch(copy(patch)).apply(copy(obj), in_place=True)
    except jsonpatch.JsonPatchException as error:
        raise PatchError(422, str(error)) from error
    except (jsonpointer.JsonPointerException, TypeError, KeyError, IndexError, ValueError):
        # These exceptions quote the object, which may be a Secret.
        raise PatchError(422, "an operation names a path that the object does not have") from None
    if not isinstance(result, dict):
        raise PatchError(422, "the patched value is no object")
    return result
