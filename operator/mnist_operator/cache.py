"""The last seen version of trainings, RayClusters and RayJobs, fed by watches and by the answers to our own writes.

Of RayClusters and RayJobs only what is asked for later is kept, and a digest of the rest: pod templates are large. What
is done for good, a finished training or a closed job, rests as a few bytes: people never delete, and tens of thousands
of them must cost an operator neither memory nor work.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from mnist_kube.objects import Key, Object, resource_version
from mnist_operator.api.status import Phase
from mnist_operator.children.drift import spec_digest
from mnist_operator.children.job import JobView
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


@dataclass(frozen=True, slots=True)
class Resting:
    """A projection of which nobody asks more than this, as bytes: a third of its JSON, a tenth of its dictionaries."""

    uid: str
    version: int
    label: str | None
    phase: str | None
    ended: str | None
    raw: bytes

    def unpacked(self) -> Object:
        """Return the projection."""
        obj: Object = orjson.loads(zlib.decompress(self.raw))
        return obj


class ObjectCache:
    """Objects of one kind by namespace and name, and by one label. Keeps projections, not whole objects.

    Args:
        project: returns what is kept of a spec.
        index_label: the label by which objects are found.
        rests: whether an object is done for good; it is then kept as bytes.
    """

    def __init__(
        self,
        project: Callable[[Object], Object] = lambda spec: spec,
        index_label: str | None = None,
        rests: Callable[[Object], bool] = lambda obj: False,
    ) -> None:
        self._objects: dict[Key, Object | Resting] = {}
        self._rests = rests
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
        same = before is not None and _uid(before) == metadata.get("uid")
        if before is not None and same and resource_version(obj) <= _version(before):
            return False
        self._forget(key)
        unchanged = same and isinstance(before, dict) and _generation(before) == metadata.get("generation") is not None
        self._keep(key, self._projected(obj, before["spec"] if unchanged and isinstance(before, dict) else None))
        return True

    def remove(self, namespace: str, name: str, uid: str | None = None) -> None:
        """Forget an object; with a uid, only that one and for good."""
        key = (namespace, name)
        if uid:
            self._gone[uid] = None
            while len(self._gone) > _TOMBSTONES:
                self._gone.pop(next(iter(self._gone)))
        found = self._objects.get(key)
        if found is not None and (not uid or _uid(found) == uid):
            self._forget(key)

    def get(self, namespace: str, name: str) -> Object | None:
        """Return the object, if it is known."""
        found = self._objects.get((namespace, name))
        return found.unpacked() if isinstance(found, Resting) else found

    def labelled(self, namespace: str, value: str) -> list[Object]:
        """Return the objects of a namespace whose index label has `value`."""
        found = (self._objects[key] for key in sorted(self._labelled.get((namespace, value), ())))
        return [item.unpacked() if isinstance(item, Resting) else item for item in found]

    def keys(self) -> list[Key]:
        """Return the namespace and name of all objects."""
        return list(self._objects)

    def uids(self) -> dict[Key, str]:
        """Return the uid of each object."""
        return {key: _uid(found) for key, found in self._objects.items()}

    def awake(self) -> list[Object]:
        """Return the objects that do not rest."""
        return [found for found in self._objects.values() if not isinstance(found, Resting)]

    def resting(self) -> list[Resting]:
        """Return those that rest."""
        return [found for found in self._objects.values() if isinstance(found, Resting)]

    def rests(self, namespace: str, name: str) -> bool:
        """Whether the object is known, and done for good."""
        return isinstance(self._objects.get((namespace, name)), Resting)

    def all_rest(self, namespace: str, value: str) -> bool:
        """Whether all objects whose index label has `value` are done for good; so are none."""
        return all(isinstance(self._objects[key], Resting) for key in self._labelled.get((namespace, value), ()))

    def _keep(self, key: Key, obj: Object) -> None:
        label = (obj["metadata"].get("labels") or {}).get(self._index_label) if self._index_label else None
        if label is not None:
            self._labelled[key[0], label].add(key)
        if not self._rests(obj):
            self._objects[key] = obj
            return
        status = obj["status"]
        self._objects[key] = Resting(
            obj["metadata"]["uid"],
            resource_version(obj),
            label,
            status.get("phase"),
            status.get("completionTime"),
            zlib.compress(orjson.dumps(obj), 1),
        )

    def _forget(self, key: Key) -> None:
        found = self._objects.pop(key, None)
        if found is None or (value := self._label_of(found)) is None:
            return
        places = self._labelled[key[0], value]
        places.discard(key)
        if not places:
            del self._labelled[key[0], value]

    def _label_of(self, found: Object | Resting) -> str | None:
        if self._index_label is None:
            return None
        if isinstance(found, Resting):
            return found.label
        return (found["metadata"].get("labels") or {}).get(self._index_label)

    def _projected(self, obj: Mapping[str, Any], spec: Object | None = None) -> Object:
        """Return what is kept of `obj`; `spec` is the projection of the same generation, if there is one."""
        metadata = {field: obj["metadata"][field] for field in _KEPT_METADATA if field in obj["metadata"]}
        metadata.setdefault("uid", "")
        if _LAST_APPLIED in (metadata.get("annotations") or {}):
            metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != _LAST_APPLIED}
        spec = self._project(obj.get("spec") or {}) if spec is None else spec
        return {"metadata": metadata, "spec": spec, "status": obj.get("status") or {}}


def _uid(found: Object | Resting) -> str:
    return found.uid if isinstance(found, Resting) else str(found["metadata"]["uid"])


def _version(found: Object | Resting) -> int:
    return found.version if isinstance(found, Resting) else resource_version(found)


def _generation(obj: Object) -> Any:
    return obj["metadata"].get("generation")


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


_FINISHED = frozenset({Phase.SUCCEEDED.value, Phase.FAILED.value})


def _is_finished(training: Object) -> bool:
    """Whether nothing comes of a training by itself any more, once its children are done, too."""
    metadata, status = training["metadata"], training["status"]
    if status.get("phase") not in _FINISHED or metadata.get("deletionTimestamp"):
        return False
    if status.get("observedGeneration") != metadata.get("generation"):
        return False  # changed since: that it was seen has to be written
    return (training["spec"].get("runPolicy") or {}).get("ttlSecondsAfterFinished") is None


def _is_closed(job: Object) -> bool:
    return not job["metadata"].get("deletionTimestamp") and JobView.of(job).finished


@dataclass
class ClusterState:
    """Caches of the three kinds that are watched."""

    trainings: ObjectCache = field(default_factory=lambda: ObjectCache(rests=_is_finished))
    clusters: ObjectCache = field(default_factory=lambda: ObjectCache(_without_templates, LABEL_TRAINING))
    jobs: ObjectCache = field(default_factory=lambda: ObjectCache(_digest_alone, LABEL_TRAINING, _is_closed))

    def cache(self, kind: str) -> ObjectCache:
        """Return the cache of a kind."""
        return {"MnistTraining": self.trainings, "RayCluster": self.clusters, "RayJob": self.jobs}[kind]

    def rests(self, namespace: str, name: str) -> bool:
        """Whether nothing is to be done about a training: it has ended, its jobs are closed, its clusters are gone."""
        return (
            self.trainings.rests(namespace, name)
            and self.jobs.all_rest(namespace, name)
            and self.clusters.all_rest(namespace, name)
        )
