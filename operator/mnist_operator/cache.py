"""The last seen version of trainings, RayClusters and RayJobs, fed by watches and by the answers to our own writes.

Of RayClusters and RayJobs only what is asked for later is kept, and a digest of the rest: pod templates are large.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mnist_kube.objects import Key, Object, resource_version
from mnist_operator.children.drift import spec_digest
from mnist_operator.children.pods import REQUESTED, requested
from mnist_operator.children.training import LABEL_TRAINING

_KEPT_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "labels",
    "annotations",
    "ownerReferences",
)
# A whole copy of the object, kept by kubectl for itself.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_TOMBSTONES = 4096


class ObjectCache:
    """Objects of one kind by namespace and name, and by one label. Keeps projections, not whole objects."""

    def __init__(self, project: Callable[[Object], Object] = lambda spec: spec, index_label: str | None = None) -> None:
        self._objects: dict[Key, Object] = {}
        self._labelled: dict[Key, set[Key]] = defaultdict(set)
        self._gone: dict[str, None] = {}
        self._project = project
        self._index_label = index_label

    def __len__(self) -> int:
        return len(self._objects)

    def put(self, obj: Mapping[str, Any]) -> bool:
        """Store `obj` unless a newer version, or its deletion, is known. Return whether anything changed."""
        metadata = obj["metadata"]
        key = (metadata["namespace"], metadata["name"])
        if metadata.get("uid") in self._gone:
            return False
        before = self._objects.get(key)
        same = before is not None and before["metadata"]["uid"] == metadata.get("uid")
        if before is not None and same and resource_version(obj) <= resource_version(before):
            return False
        self._forget(key)
        unchanged = same and metadata.get("generation") is not None and _generation(before) == metadata["generation"]
        self._objects[key] = self._projected(obj, before["spec"] if before is not None and unchanged else None)
        if (value := self._label_of(self._objects[key])) is not None:
            self._labelled[key[0], value].add(key)
        return True

    def remove(self, namespace: str, name: str, uid: str | None = None) -> None:
        """Forget an object; with a uid, only that one and for good."""
        key = (namespace, name)
        if uid:
            self._gone[uid] = None
            while len(self._gone) > _TOMBSTONES:
                self._gone.pop(next(iter(self._gone)))
        found = self._objects.get(key)
        if found is not None and (not uid or found["metadata"]["uid"] == uid):
            self._forget(key)

    def get(self, namespace: str, name: str) -> Object | None:
        """Return the object, if it is known."""
        return self._objects.get((namespace, name))

    def labelled(self, namespace: str, value: str) -> list[Object]:
        """Return the objects of a namespace whose index label has `value`."""
        return [self._objects[key] for key in sorted(self._labelled.get((namespace, value), ()))]

    def keys(self) -> list[Key]:
        """Return the namespace and name of all objects."""
        return list(self._objects)

    def values(self) -> list[Object]:
        """Return all objects."""
        return list(self._objects.values())

    def _forget(self, key: Key) -> None:
        found = self._objects.pop(key, None)
        if found is None or (value := self._label_of(found)) is None:
            return
        places = self._labelled[key[0], value]
        places.discard(key)
        if not places:
            del self._labelled[key[0], value]

    def _label_of(self, obj: Object) -> str | None:
        if self._index_label is None:
            return None
        return (obj["metadata"].get("labels") or {}).get(self._index_label)

    def _projected(self, obj: Mapping[str, Any], spec: Object | None = None) -> Object:
        """Return what is kept of `obj`; `spec` is the projection of the same generation, if there is one."""
        metadata = {field: obj["metadata"][field] for field in _KEPT_METADATA if field in obj["metadata"]}
        metadata.setdefault("uid", "")
        if _LAST_APPLIED in (metadata.get("annotations") or {}):
            metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != _LAST_APPLIED}
        spec = self._project(obj.get("spec") or {}) if spec is None else spec
        return {"metadata": metadata, "spec": spec, "status": obj.get("status") or {}}


def _generation(obj: Object | None) -> Any:
    return obj["metadata"].get("generation") if obj is not None else None


Clock = Callable[[], datetime]


HEAD_ACCOUNT = "headServiceAccount"
"""In a cached RayCluster's spec: the ServiceAccount of its head."""
DIGEST = "digest"
"""In a cached RayCluster's or RayJob's spec: what shows that somebody changed it."""


def _without_templates(spec: Object) -> Object:
    """Of a RayCluster's spec only what is asked for later is kept; pod templates are large."""
    groups = [
        {key: group[key] for key in ("groupName", "replicas", "minReplicas", "maxReplicas") if key in group}
        for group in spec.get("workerGroupSpecs") or []
    ]
    head = ((spec.get("headGroupSpec") or {}).get("template") or {}).get("spec") or {}
    return {
        "suspend": spec.get("suspend", False),
        "rayVersion": spec.get("rayVersion"),
        "enableInTreeAutoscaling": spec.get("enableInTreeAutoscaling", False),
        HEAD_ACCOUNT: head.get("serviceAccountName") or "default",
        DIGEST: spec_digest(spec),
        REQUESTED: requested(spec),
        "workerGroupSpecs": groups,
    }


def _digest_alone(spec: Object) -> Object:
    return {DIGEST: spec_digest(spec)}


@dataclass
class ClusterState:
    """Caches of the three kinds that are watched."""

    trainings: ObjectCache = field(default_factory=ObjectCache)
    clusters: ObjectCache = field(default_factory=lambda: ObjectCache(_without_templates, LABEL_TRAINING))
    jobs: ObjectCache = field(default_factory=lambda: ObjectCache(_digest_alone, LABEL_TRAINING))

    def cache(self, kind: str) -> ObjectCache:
        """Return the cache of a kind."""
        return {"MnistTraining": self.trainings, "RayCluster": self.clusters, "RayJob": self.jobs}[kind]
