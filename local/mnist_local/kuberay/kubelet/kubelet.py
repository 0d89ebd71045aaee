"""Gives every pod that is bound to this node a worker, and tells it of the pod's changes and deletion."""

import asyncio
import logging
from collections.abc import Coroutine

from mnist_local.kuberay import pod_state
from mnist_local.kuberay.json_types import Json, is_terminating
from mnist_local.kuberay.kubeapi import PODS, ApiError
from mnist_local.kuberay.kubelet.context import KubeletContext
from mnist_local.kuberay.kubelet.pod_worker import PodWorker

NODE_NAME = "local"
_LOST = "the pod's processes ended with the local KubeRay that ran them"

log = logging.getLogger(__name__)


class Kubelet:
    """All pods of this machine."""

    def __init__(self, context: KubeletContext) -> None:
        """`context` is shared by all pods."""
        self._context = context
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._side_tasks: set[asyncio.Task[None]] = set()

    def on_pod(self, pod: Json, deleted: bool) -> None:
        """A pod appeared, changed or went."""
        if pod["spec"].get("nodeName") != NODE_NAME:
            return
        uid = pod["metadata"]["uid"]
        worker = self._workers.get(uid)
        if deleted:
            if worker is not None:
                worker.kill()
        elif worker is not None:
            worker.update(pod)
            if is_terminating(pod):
                worker.stop(float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))
        elif is_terminating(pod):
            self._aside(self._remove(pod))
        elif pod_state.phase(pod) in {"Failed", "Succeeded"}:
            return
        elif _has_run(pod):
            self._aside(self._fail_lost(pod))
        else:
            self._workers[uid] = worker = PodWorker(self._context, pod)
            self._tasks[uid] = asyncio.create_task(self._run(uid, worker))

    def has_pod(self, uid: str) -> bool:
        """Whether the pod's processes may still exist."""
        return uid in self._tasks

    def supervisor_pids(self) -> set[int]:
        """The supervisors that belong here."""
        return {pid for worker in self._workers.values() if (pid := worker.supervisor_pid) is not None}

    async def close(self) -> None:
        """End all pods at once."""
        for worker in self._workers.values():
            worker.kill()
        if tasks := [*self._tasks.values()]:
            await asyncio.wait(tasks)
        for task in self._side_tasks:
            task.cancel()

    async def _run(self, uid: str, worker: PodWorker) -> None:
        try:
            await worker.run()
        except Exception:
            log.exception("pod %s ended badly", uid)
        finally:
            self._workers.pop(uid, None)
            self._tasks.pop(uid, None)

    def _aside(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._side_tasks.add(task)
        task.add_done_callback(self._side_tasks.discard)

    async def _remove(self, pod: Json) -> None:
        """A terminating pod that has no processes here only waits to be let go."""
        await self._context.api.delete(PODS, pod, grace_period_seconds=0)

    async def _fail_lost(self, pod: Json) -> None:
        """A pod that ran under a former local KubeRay: its processes died with that one."""
        status = {**pod["status"], "phase": "Failed", "reason": "NodeLost", "message": _LOST}
        not_ready = {"status": "False", "reason": "PodFailed", "message": ""}
        status["conditions"] = [
            {**condition, **not_ready} if condition["type"] in {"Ready", "ContainersReady"} else condition
            for condition in status.get("conditions") or []
        ]
        metadata = pod["metadata"]
        patch = {"metadata": {"uid": metadata["uid"]}, "status": status}
        try:
            await self._context.api.merge_patch(PODS, metadata["namespace"], metadata["name"], patch, "status")
        except ApiError as error:
            log.warning("lost pod %s: %s", metadata["name"], error)


def _has_run(pod: Json) -> bool:
    return any(
        "running" in (status.get("state") or {}) or "terminated" in (status.get("state") or {})
        for status in (pod.get("status") or {}).get("containerStatuses") or []
    )
