"""The informers that the controllers share, over all chosen namespaces."""

import asyncio
from collections.abc import Callable, Sequence

from mnist_local.kuberay import constants as k
from mnist_local.kuberay.informer import Informer
from mnist_local.kuberay.json_types import Json, Key, key_of, labels_of
from mnist_local.kuberay.kubeapi import JOBS, PODS, RAYCLUSTERS, RAYJOBS, KubeApi, Resource

Handler = Callable[[Json, bool], None]


class Store:
    """Objects of one resource in several namespaces."""

    def __init__(self, api: KubeApi, resource: Resource, namespaces: Sequence[str]) -> None:
        """No namespaces means all."""
        self._handlers: list[Handler] = []
        chosen: Sequence[str | None] = namespaces or (None,)
        self._informers = {namespace: Informer(api, resource, namespace, self._notify) for namespace in chosen}

    def subscribe(self, handler: Handler) -> None:
        """Call `handler(object, deleted)` for each change."""
        self._handlers.append(handler)

    def get(self, namespace: str, name: str) -> Json | None:
        """The object as last seen."""
        informer = self._informer(namespace)
        return None if informer is None else informer.get((namespace, name))

    def values(self) -> list[Json]:
        """All objects as last seen."""
        return [obj for informer in self._informers.values() for obj in informer.values()]

    def observe(self, obj: Json) -> None:
        """Take in the answer to one's own write."""
        if informer := self._informer(key_of(obj)[0]):
            informer.observe(obj)

    async def run(self) -> None:
        """Keep all informers going until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run())

    async def synced(self) -> None:
        """Return when everything has been listed once."""
        for informer in self._informers.values():
            await informer.synced.wait()

    def _informer(self, namespace: str) -> Informer | None:
        return self._informers.get(namespace) or self._informers.get(None)

    def _notify(self, obj: Json, deleted: bool) -> None:
        for handler in self._handlers:
            handler(obj, deleted)


class Stores:
    """All that the local KubeRay watches."""

    def __init__(self, api: KubeApi, namespaces: Sequence[str]) -> None:
        """No namespaces means all."""
        self.clusters = Store(api, RAYCLUSTERS, namespaces)
        self.rayjobs = Store(api, RAYJOBS, namespaces)
        self.jobs = Store(api, JOBS, namespaces)
        self.pods = Store(api, PODS, namespaces)

    def all(self) -> list[Store]:
        """Every store; pods last, so that what they belong to is known when they are first seen."""
        return [self.clusters, self.rayjobs, self.jobs, self.pods]

    def cluster_pods(self, cluster: Key) -> list[Json]:
        """Pods that carry a cluster's label: that is how KubeRay finds them, whoever owns them."""
        namespace, name = cluster
        return [
            pod
            for pod in self.pods.values()
            if pod["metadata"]["namespace"] == namespace and labels_of(pod).get(k.CLUSTER_LABEL) == name
        ]

    def cluster_of(self, pod: Json) -> Json | None:
        """The RayCluster that a pod is a node of or submits to."""
        namespace, labels = pod["metadata"]["namespace"], labels_of(pod)
        name = labels.get(k.CLUSTER_LABEL)
        if name is None and labels.get(k.ORIGIN_KIND_LABEL) == "RayJob":
            job = self.rayjobs.get(namespace, labels.get(k.ORIGIN_NAME_LABEL, ""))
            name = ((job or {}).get("status") or {}).get("rayClusterName")
        return self.clusters.get(namespace, name) if name else None
