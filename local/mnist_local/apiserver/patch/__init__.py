"""The four kinds of patch of the Kubernetes API (server-side apply is in `patch.apply`)."""

from mnist_local.apiserver.patch.errors import ApplyConflict, PatchError
from mnist_local.apiserver.patch.jsonpatch import json_patch
from mnist_local.apiserver.patch.mergepatch import merge_patch
from mnist_local.apiserver.patch.strategic import strategic_merge

__all__ = ["ApplyConflict", "PatchError", "json_patch", "merge_patch", "strategic_merge"]
