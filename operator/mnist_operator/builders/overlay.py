"""Lay a user's partial pod template over ours, merging lists as Kubernetes' strategic merge does."""

from __future__ import annotations

import copy
from typing import Any

# Merge keys of the lists in a pod template, by field name.
# https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ ("patch strategy: merge on key ...")
MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
}
# Kubernetes would replace this list; that would silently take the credentials away.
_APPENDED = frozenset({"envFrom"})
# One of several alternatives stands in an item: merging two items would give both.
_REPLACED_ITEMS = frozenset({"env", "volumes"})


def overlay(base: Any, patch: Any, field: str = "") -> Any:
    """Return `base` with `patch` laid over it; neither is changed.

    Objects merge; a null removes a field; lists merge by their key where Kubernetes has one, else they are replaced.
    """
    if isinstance(base, dict) and isinstance(patch, dict):
        merged = copy.deepcopy(base)
        for key, value in patch.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = overlay(merged.get(key), value, key)
        return merged
    if isinstance(base, list) and isinstance(patch, list):
        return _lists(base, patch, field)
    return copy.deepcopy(patch)


def _lists(base: list[Any], patch: list[Any], field: str) -> list[Any]:
    if field in _APPENDED:
        return [*copy.deepcopy(base), *(copy.deepcopy(item) for item in patch if item not in base)]
    key = MERGE_KEYS.get(field)
    if key is None:
        return copy.deepcopy(patch)
    merged = copy.deepcopy(base)
    places = {item.get(key): index for index, item in enumerate(merged) if isinstance(item, dict)}
    for item in patch:
        index = places.get(item.get(key)) if isinstance(item, dict) else None
        if index is None:
            merged.append(copy.deepcopy(item))
        elif field in _REPLACED_ITEMS:
            merged[index] = copy.deepcopy(item)
        else:
            merged[index] = overlay(merged[index], item)
    return merged
