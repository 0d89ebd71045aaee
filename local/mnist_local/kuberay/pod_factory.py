"""Creates pods on this node: what scheduler and admission add to a pod is added here."""

from mnist_local.kuberay.events import EventRecorder
from mnist_local.kuberay.json_types import Json
from mnist_local.kuberay.kubeapi import PODS, SERVICEACCOUNTS, ApiError, KubeApi
from mnist_local.kuberay.kubelet.kubelet import NODE_NAME
from mnist_local.kuberay.kubelet.service_account import name_of
from mnist_local.kuberay.stores import Store


class PodFactory:
    """Creates pods that are bound to this node from the beginning."""

    def __init__(self, api: KubeApi, pods: Store, scheduler_events: EventRecorder) -> None:
        """`pods` learns of each new pod at once."""
        self._api = api
        self._pods = pods
        self._events = scheduler_events

    async def create(self, pod: Json) -> Json:
        """Create the pod. Raises ApiError, also for a missing ServiceAccount, as admission does."""
        pod["spec"]["nodeName"] = NODE_NAME
        namespace, account = pod["metadata"]["namespace"], name_of(pod)
        if account != "default" and await self._api.find(SERVICEACCOUNTS, namespace, account) is None:
            message = (
                f'pods "{pod["metadata"]["name"]}" is forbidden: error looking up service account '
                f'{namespace}/{account}: serviceaccount "{account}" not found'
            )
            raise ApiError(403, {"reason": "Forbidden", "message": message})
        created = await self._api.create(PODS, pod)
        self._pods.observe(created)
        note = f"Successfully assigned {namespace}/{created['metadata']['name']} to {NODE_NAME}"
        await self._events.record(created, "Normal", "Scheduled", note)
        return created
