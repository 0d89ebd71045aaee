"""What the three controllers share: collections that informers keep, a queue of keys, status writes, new pods."""

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.events import EventRecorder
from mnist_kube.informer import Informer
from mnist_kube.objects import Key, Object, labels_of
from mnist_kube.queue import WorkQueue
from mnist_kube.resources import JOBS, PODS, RAYCLUSTERS, RAYJOBS, resource_of
from mnist_local.kuberay import names as k

_WORKERS = 4
_FIRST_RETRY_S, _LAST_RETRY_S = 0.1, 5.0


class Stores:
    """All that the local KubeRay watches, in all namespaces."""

    def __init__(self, api: KubeApi) -> None:
        self.clusters = Informer(api, RAYCLUSTERS, None)
        self.rayjobs = Informer(api, RAYJOBS, None)
        self.jobs = Informer(api, JOBS, None)
        self.pods = Informer(api, PODS, None)

    def all(self) -> list[Informer]:
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


class Controller:
    """Reconciles the objects of one kind. `_reconcile` returns when to look again, in seconds, or None."""

    kind: str

    def __init__(self, api: KubeApi, stores: Stores, events: EventRecorder) -> None:
        self._api = api
        self._stores = stores
        self._events = events
        self.queue: WorkQueue[Key] = WorkQueue(_FIRST_RETRY_S, _LAST_RETRY_S)

    async def run(self) -> None:
        await self.queue.work(self.kind, _WORKERS, self._reconcile)

    async def _reconcile(self, key: Key) -> float | None:
        raise NotImplementedError

    async def _write_status(self, store: Informer, obj: Object, status: Object) -> bool:
        """Write a status; False where the object has changed or gone since: the watch tells of that in a moment."""
        path = resource_of(obj["apiVersion"], obj["kind"]).path_to(obj, "status")
        try:
            store.observe(await self._api.replace(path, {**obj, "status": status}))
        except ApiError as error:
            if error.not_found or error.conflict:
                return False
            raise
        return True

    async def _create_pod(self, pod: Object) -> Object:
        """Create a pod that is bound to this node from the beginning. Raises ApiError."""
        pod["spec"]["nodeName"] = k.NODE_NAME
        created = await self._api.create(PODS.path(pod["metadata"]["namespace"]), pod)
        self._stores.pods.observe(created)
        return created
