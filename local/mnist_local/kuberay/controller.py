"""What the three controllers share: a queue of keys, status writes that lose to newer ones, and the making of pods."""

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.events import EventRecorder
from mnist_kube.objects import Key, Object
from mnist_kube.queue import WorkQueue
from mnist_kube.resources import PODS, resource_of
from mnist_local.kuberay import names as k
from mnist_local.kuberay.stores import Store, Stores

_WORKERS = 4
_FIRST_RETRY_S, _LAST_RETRY_S = 0.1, 5.0


class Controller:
    """Reconciles the objects of one kind. `_reconcile` returns when to look again, in seconds, or None."""

    kind: str

    def __init__(self, api: KubeApi, stores: Stores, events: EventRecorder) -> None:
        self._api = api
        self._stores = stores
        self._events = events
        self.queue: WorkQueue[Key] = WorkQueue(_FIRST_RETRY_S, _LAST_RETRY_S)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.queue.work(self.kind, _WORKERS, self._reconcile)

    async def _reconcile(self, key: Key) -> float | None:
        raise NotImplementedError

    async def _write_status(self, store: Store, obj: Object, status: Object) -> bool:
        """Write a status; False where the object has changed or gone since: the watch tells of that in a moment."""
        path = resource_of(obj["apiVersion"], obj["kind"]).path_to(obj, "status")
        try:
            store.observe(await self._api.replace(path, {**obj, "status": status}))
        except ApiError as error:
            if error.not_found or error.conflict:
                return False
            raise
        return True


class PodFactory:
    """Creates pods that are bound to this node from the beginning, as a scheduler would bind them."""

    def __init__(self, api: KubeApi, pods: Store, scheduler_events: EventRecorder) -> None:
        self._api = api
        self._pods = pods
        self._events = scheduler_events

    async def create(self, pod: Object) -> Object:
        """Create the pod. Raises ApiError."""
        pod["spec"]["nodeName"] = k.NODE_NAME
        namespace = pod["metadata"]["namespace"]
        created = await self._api.create(PODS.path(namespace), pod)
        self._pods.observe(created)
        note = f"Successfully assigned {namespace}/{created['metadata']['name']} to {k.NODE_NAME}"
        await self._events.record(created, "Normal", "Scheduled", note)
        return created
