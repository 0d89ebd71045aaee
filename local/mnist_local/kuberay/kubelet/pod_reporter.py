"""Writes a pod's status to the API whenever a container's state changes, the latest one always last."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import aiohttp

from mnist_local.kuberay import clock
from mnist_local.kuberay.json_types import Json
from mnist_local.kuberay.kubeapi import PODS, ApiError
from mnist_local.kuberay.kubelet import pod_status
from mnist_local.kuberay.kubelet.context import KubeletContext
from mnist_local.kuberay.kubelet.pod_status import ContainerState

_FIRST_RETRY_S = 0.1
_LAST_RETRY_S = 2.0
_HOPELESS = {404, 409, 422}  # the object is gone, or another one has its name

log = logging.getLogger(__name__)


class PodReporter:
    """The states of one pod's containers and their way into the API."""

    def __init__(self, context: KubeletContext, pod: Json) -> None:
        """`pod` is the object as it was bound to this node."""
        self.pod = pod
        self.pod_ip: str | None = None
        self.gone = False
        self._forced_phase: str | None = None
        self._context = context
        self._started_at = clock.timestamp()
        inits = pod["spec"].get("initContainers") or []
        waiting = ("PodInitializing", "") if inits else ("ContainerCreating", "")
        self.inits = {container["name"]: ContainerState(container["name"], waiting=waiting) for container in inits}
        self.mains = {c["name"]: ContainerState(c["name"], waiting=waiting) for c in pod["spec"]["containers"]}
        self._dirty = asyncio.Event()
        self._dirty.set()
        self._writing = asyncio.Lock()

    def state(self, container: str) -> ContainerState:
        """The state of a container."""
        return self.inits.get(container) or self.mains[container]

    def set(self, state: ContainerState) -> None:
        """Take in a state; it is written soon."""
        (self.inits if state.name in self.inits else self.mains)[state.name] = state
        self._dirty.set()

    def force_phase(self, phase: str) -> None:
        """The pod ends from outside, so its phase does not follow from its containers."""
        self._forced_phase = phase
        self._dirty.set()

    async def run(self) -> None:
        """Write changes until cancelled."""
        while True:
            await self._dirty.wait()
            await self.flush()

    async def flush(self) -> None:
        """Return when the API has the latest status (or the object is gone)."""
        async with self._writing:
            if not self._dirty.is_set():
                return
            self._dirty.clear()
            try:
                await self.retry(self._write)
            except BaseException:
                self._dirty.set()  # cancelled half way: the next flush has to write it
                raise

    async def _write(self) -> None:
        inits, mains = list(self.inits.values()), list(self.mains.values())
        now = clock.timestamp()
        status = pod_status.compute(self.pod, inits, mains, self.pod_ip, self._started_at, now, self._forced_phase)
        metadata = self.pod["metadata"]
        patch = {"metadata": {"uid": metadata["uid"]}, "status": status}
        api = self._context.api
        answer = await api.merge_patch(PODS, metadata["namespace"], metadata["name"], patch, "status")
        self.pod = {**self.pod, "status": answer["status"]}
        self._context.observe(answer)

    async def retry(self, call: Callable[[], Awaitable[object]]) -> None:
        """Call until it works. An object that is gone needs no more calls."""
        delay = _FIRST_RETRY_S
        while not self.gone:
            try:
                await call()
            except ApiError as error:
                if error.status in _HOPELESS:
                    log.debug("pod %s: %s", self.pod["metadata"]["name"], error)
                    return
                log.warning("pod %s: %s", self.pod["metadata"]["name"], error)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                log.debug("pod %s: %r", self.pod["metadata"]["name"], error)
            else:
                return
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LAST_RETRY_S)

    async def event(self, kind: str, reason: str, note: str) -> None:
        """An event on the pod."""
        if not self.gone:
            await self._context.events.record(self.pod, kind, reason, note)
