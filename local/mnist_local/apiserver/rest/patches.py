"""The patch package's results and failures in the terms of the API."""

from __future__ import annotations

from mnist_local.apiserver.errors import ApiError, Obj, bad_request, rejected
from mnist_local.apiserver.patch import (
    ApplyConflict,
    PatchError,
    json_patch,
    merge_patch,
    server_side_apply,
    strategic_merge,
)
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.schemas import schema_for


def _refused(error: PatchError) -> ApiError:
    if error.status_code == 400:
        return bad_request(error.message)
    if error.status_code == 422:
        # Which operation failed is not said: the message could quote what the client may not read.
        return rejected()
    reason = {413: "RequestEntityTooLarge", 500: ""}.get(error.status_code, "")
    return ApiError(error.status_code, reason, error.message)


def json(obj: Obj, patch: object) -> Obj:
    """Apply a JSON patch.

    Raises:
        ApiError: 400 malformed, 422 does not fit (a failed `test` among others).
    """
    try:
        return json_patch(obj, patch)
    except PatchError as error:
        raise _refused(error) from None


def merge(obj: Obj, patch: Obj) -> Obj:
    """Apply a JSON merge patch.

    Raises:
        ApiError: 400 malformed.
    """
    try:
        return merge_patch(obj, patch)
    except PatchError as error:
        raise _refused(error) from None


def strategic(resource: Resource, obj: Obj, patch: Obj) -> Obj:
    """Apply a strategic merge patch to a built-in object.

    Raises:
        ApiError: 400 malformed, 422 does not fit.
    """
    schema = schema_for(resource)
    if schema is None:
        return merge(obj, patch)
    try:
        return strategic_merge(schema, obj, patch)
    except PatchError as error:
        raise _refused(error) from None


def apply(resource: Resource, live: Obj | None, applied: Obj, manager: str, force: bool, subresource: str) -> Obj:
    """Apply a configuration by server-side apply; returns the object with its managedFields.

    Raises:
        ApiError: 409 with the conflicting fields, 400 or 500 what does not fit the schema.
    """
    schema = schema_for(resource)
    if schema is None:
        raise ApiError(500, "", f"no type is known for {resource.kind}")
    try:
        return server_side_apply(
            schema, live, applied, manager, force, subresource, ignore_status=resource.has_status and not subresource
        )
    except PatchError as error:
        raise _refused(error) from None
    except ApplyConflict as conflict:
        causes = [
            {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": field}
            for manager, field in conflict.conflicts
        ]
        raise ApiError(409, "Conflict", conflict.message, {"causes": causes}) from None
