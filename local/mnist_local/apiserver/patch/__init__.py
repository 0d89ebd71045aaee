"""The four kinds of patch of the Kubernetes API."""

from mnist_local.apiserver.patch.errors import PatchError
from mnist_local.apiserver.patch.jsonpatch import json_patch
from mnist_local.apiserver.patch.mergepatch import merge_patch

__all__ = ["PatchError", "json_patch", "merge_patch"]
