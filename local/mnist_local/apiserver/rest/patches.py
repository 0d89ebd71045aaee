"""The patch package's results and failures in the terms of the API."""

from __future__ import annotations

from mnist_local.apiserver.errors import ApiError, Obj, bad_request, rejected
from mnist_local.apiserver.patch import PatchError, json_patch, merge_patch
from mnist_local.apiserver.resource import Resource


def _refused(error: PatchError) -> ApiError:
    return bad_request(error.message) if error.status_code == 400 else rejected()


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
    return merge(obj, patch)
