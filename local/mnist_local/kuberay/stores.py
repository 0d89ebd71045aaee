"""The collections that the controllers share, each kept by one informer that several of them listen to."""

from collections.abc import Callable

from mnist_kube.client import KubeApi
from mnist_kube.informer import Informer
from mnist_kube.objects import Key, Object, labels_of
from mnist_kube.resources import JOBS, PODS, RAYCLUSTERS, RAYJOBS, Resource
from mnist_local.kuberay import names as k

Handler = Callable[[Object, bool], None]


class Store(Informer):
    """Objects of one resource in all namespaces."""

    def __init__(self, api: KubeApi, resource: Resource) -> None:
        super().__init__(api, resource, None)
        self._handlers: list[Handler] = []
        self.on_change(self._notify)

    def subscribe(self, handler: Handler) -> None:
        """Have `handler(object, deleted)` called for each change."""
        self._handlers.append(handler)

    def _notify(self, obj: Object, deleted: bool) -> None:
        for handler in self._handlers:
            handler(obj, deleted)


class Stores:
    """All that the local KubeRay watches."""

    def __init__(self, api: KubeApi) -> None:
        self.clusters = Store(api, RAYCLUSTERS)
        self.rayjobs = Store(api, RAYJOBS)
        self.jobs = Store(api, JOBS)
        self.pods = Store(api, PODS)

    def all(self) -> list[Store]:
        """Return every store; pods last, so that what they belong to is known when they are first seen."""
        return [self.clusters, self.rayjobs, self.jobs, self.pods]

    def cluster_pods(self, cluster: Key) -> list[Object]:
        """Return the pods that carry a cluster's label: that is how KubeRay finds them, whoever owns them."""
        namespace, name = cluster
        return [
            pod
            for pod in self.pods.values()
            if pod["metadata"]["namespace"] == namespace and labels_of(pod).get(k.CLUSTER_LABEL) == name
        ]

    def cluster_of(self, pod: Object) -> Object | None:
        """Return the RayCluster that a pod is a node of or submits to."""
        namespace, labels = pod["metadata"]["namespace"], labels_of(pod)
        name = labels.get(k.CLUSTER_LABEL)
        if name is None and labels.get(k.ORIGIN_KIND_LABEL) == "RayJob":
            job = self.rayjobs.get((namespace, labels.get(k.ORIGIN_NAME_LABEL, "")))
            name = ((job or {}).get("status") or {}).get("rayClusterName")
        return self.clusters.get((namespace, name)) if name else None
