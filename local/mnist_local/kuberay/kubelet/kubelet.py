"""Gives every pod that is bound to this node a worker, and tells it of the pod's changes and deletion."""

import asyncio
import logging
from collections.abc import Awaitable, Coroutine

from mnist_kube.errors import ApiError
from mnist_kube.objects import FALSE, Object, is_terminating, with_condition
from mnist_kube.resources import PODS
from mnist_kube.times import timestamp
from mnist_local.kuberay import names as k
from mnist_local.kuberay import pod_state
from mnist_local.kuberay.kubelet.pod_status import KubeletContext
from mnist_local.kuberay.kubelet.pod_worker import PodWorker

_LOST = "the pod's processes ended with the local KubeRay that ran them"

log = logging.getLogger(__name__)


class Kubelet:
    """All pods of this machine."""

    def __init__(self, context: KubeletContext) -> None:
        self._context = context
        self._workers: dict[str, PodWorker] = {}
        self._pods: set[asyncio.Task[None]] = set()
        self._errands: set[asyncio.Task[None]] = set()

    def on_pod(self, pod: Object, deleted: bool) -> None:
        if pod["spec"].get("nodeName") != k.NODE_NAME:
            return
        worker = self._workers.get(pod["metadata"]["uid"])
        if deleted:
            if worker is not None:
                worker.kill()
        elif worker is not None:
            worker.update(pod)
            if is_terminating(pod):
                worker.stop(float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))
        elif is_terminating(pod):
            # It has no processes here, and only waits to be let go.
            let_go = self._context.api.delete(PODS.path_to(pod), pod["metadata"]["uid"], None, 0, missing_ok=True)
            _start(_try(pod, let_go), self._errands)
        elif pod_state.phase(pod) in {"Failed", "Succeeded"}:
            return
        elif pod_state.has_run(pod):
            _start(_try(pod, self._fail_lost(pod)), self._errands)
        else:
            self._workers[pod["metadata"]["uid"]] = worker = PodWorker(self._context, pod)
            _start(self._run(pod["metadata"]["uid"], worker), self._pods)

    def shim_pids(self) -> set[int]:
        return {pid for worker in self._workers.values() if (pid := worker.shim_pid) is not None}

    async def close(self) -> None:
        for worker in self._workers.values():
            worker.kill()
        if self._pods:
            await asyncio.wait(self._pods)
        for errand in self._errands:
            errand.cancel()

    async def _run(self, uid: str, worker: PodWorker) -> None:
        try:
            await worker.run()
        except Exception:
            log.exception("pod %s ended badly", uid)
        finally:
            self._workers.pop(uid, None)

    async def _fail_lost(self, pod: Object) -> None:
        """A pod that ran under a former local KubeRay: its processes died with that one."""
        conditions, now = pod["status"].get("conditions") or [], timestamp()
        for kind in ("Ready", "ContainersReady"):
            conditions = with_condition(conditions, kind, FALSE, "PodFailed", "", now)
        status = {"phase": "Failed", "reason": "NodeLost", "message": _LOST, "conditions": conditions}
        patch = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": {**pod["status"], **status}}
        await self._context.api.patch(PODS.path_to(pod, "status"), patch)


async def _try(pod: Object, call: Awaitable[object]) -> None:
    try:
        await call
    except ApiError as error:
        log.warning("pod %s: %s", pod["metadata"]["name"], error)


def _start(coroutine: Coroutine[None, None, None], tasks: set[asyncio.Task[None]]) -> None:
    task = asyncio.create_task(coroutine)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
