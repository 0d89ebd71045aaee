"""The four kinds of patch of the Kubernetes API, as functions on JSON values."""

from mnist_local.apiserver.patch.apply import ApplyConflict, server_side_apply, update_managed_fields
from mnist_local.apiserver.patch.documents import PatchError, json_patch, merge_patch, strategic_merge
from mnist_local.apiserver.patch.places import TypedError

__all__ = [
    "ApplyConflict", "PatchError", "TypedError", "json_patch", "merge_patch", "server_side_apply", "strategic_merge",
    "update_managed_fields",
]  # fmt: skip
