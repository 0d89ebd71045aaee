"""The status of a pod as a function of its spec and of what its containers do, and its way into the API.

Containers are never started again in place: the operator's pods have the restart policy Never, and so every pod here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import aiohttp

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.events import EventRecorder
from mnist_kube.objects import FALSE, TRUE, Object, with_condition
from mnist_kube.pacing import Backoff
from mnist_kube.resources import PODS
from mnist_kube.times import timestamp
from mnist_local.kuberay.kubelet.folders import Folders
from mnist_local.kuberay.kubelet.launch import Machine
from mnist_local.kuberay.kubelet.network import Places
from mnist_local.kuberay.kubelet.starts import Starts

HOST_IP = "127.0.0.1"
_FIRST_RETRY_S, _LAST_RETRY_S = 0.1, 2.0
_HOPELESS = {404, 409, 422}  # the object is gone, or another one has its name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ContainerState:
    """One container; `state` is that of a v1 ContainerStatus: waiting, running or terminated."""

    name: str
    state: Object = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    ready: bool = False
    container_id: str = ""

    @property
    def is_waiting(self) -> bool:
        return "waiting" in self.state

    @property
    def is_running(self) -> bool:
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        code: int | None = self.state.get("terminated", {}).get("exitCode")
        return code

    def wait(self, reason: str, message: str = "") -> "ContainerState":
        waiting = {"reason": reason, **({"message": message} if message else {})}
        return replace(self, state={"waiting": waiting}, ready=False)

    def run(self, at: str, container_id: str) -> "ContainerState":
        return replace(self, state={"running": {"startedAt": at}}, ready=False, container_id=container_id)

    def end(self, exit_code: int, signal: int | None, at: str, message: str = "", reason: str = "") -> "ContainerState":
        terminated: Object = {
            "exitCode": exit_code,
            "reason": reason or ("Completed" if exit_code == 0 else "Error"),
            "startedAt": self.state.get("running", {}).get("startedAt", at),
            "finishedAt": at,
            "containerID": self.container_id,
            "signal": signal,
            "message": message,
        }
        return replace(
            self, state={"terminated": {k: v for k, v in terminated.items() if v not in (None, "")}}, ready=False
        )

    def as_status(self, image: str) -> Object:
        return {
            "name": self.name,
            "state": self.state,
            "lastState": {},
            "ready": self.ready,
            "started": self.is_running,
            "restartCount": 0,
            "image": image,
            "imageID": "",
            **({"containerID": self.container_id} if self.container_id else {}),
        }


def compute(
    pod: Object,
    inits: list[ContainerState],
    states: list[ContainerState],
    pod_ip: str | None,
    started_at: str,
    now: str,
    forced_phase: str | None = None,
) -> Object:
    """Return the whole status. `forced_phase` is the phase of a pod that is being ended from outside."""
    initialized = all(state.exit_code == 0 for state in inits)
    current = forced_phase or _phase(inits, states, initialized)
    images = {
        container["name"]: container.get("image", "")
        for container in [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    }
    old = (pod.get("status") or {}).get("conditions") or []
    status: Object = {
        "phase": current,
        "conditions": _conditions(old, states, current, initialized, pod_ip, now),
        "containerStatuses": [state.as_status(images.get(state.name, "")) for state in states],
        "startTime": started_at,
        "hostIP": HOST_IP,
        "hostIPs": [{"ip": HOST_IP}],
    }
    if inits:
        status["initContainerStatuses"] = [state.as_status(images.get(state.name, "")) for state in inits]
    if pod_ip:
        status |= {"podIP": pod_ip, "podIPs": [{"ip": pod_ip}]}
    return status


def _phase(inits: list[ContainerState], states: list[ContainerState], initialized: bool) -> str:
    if any(state.exit_code for state in inits):
        return "Failed"
    if not initialized or any(state.is_waiting for state in states):
        return "Pending"
    if any(state.is_running for state in states):
        return "Running"
    return "Failed" if any(state.exit_code for state in states) else "Succeeded"


def _conditions(
    old: list[Object], states: list[ContainerState], current: str, initialized: bool, pod_ip: str | None, now: str
) -> list[Object]:
    unready = [state.name for state in states if not state.ready]
    if current == "Failed":
        cause = ("PodFailed", "")
    elif current == "Succeeded":
        cause = ("PodCompleted", "")
    else:
        cause = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    ready = (FALSE, *cause) if unready else (TRUE, "", "")
    begun = (TRUE, "", "") if initialized else (FALSE, "ContainersNotInitialized", "init containers have not completed")
    conditions = with_condition(old, "PodReadyToStartContainers", TRUE if pod_ip else FALSE, "", "", now)
    conditions = with_condition(conditions, "Initialized", *begun, now)
    conditions = with_condition(conditions, "Ready", *ready, now)
    conditions = with_condition(conditions, "ContainersReady", *ready, now)
    conditions = with_condition(conditions, "PodScheduled", TRUE, "", "", now)
    return [{key: value for key, value in entry.items() if value} for entry in conditions]


@dataclass
class KubeletContext:
    """API, folders, network, turns to start, and the cluster that a pod belongs to."""

    api: KubeApi
    events: EventRecorder
    folders: Folders
    machine: Machine
    places: Places
    http: aiohttp.ClientSession
    starts: Starts
    cluster_of: Callable[[Object], Object | None]
    """RayCluster that a pod is a node of, or that it submits to; None for neither."""
    observe: Callable[[Object], None]
    """Told of every pod that was written."""


class PodReporter:
    """The states of one pod's containers; each change is written to the API, the latest one always last."""

    def __init__(self, context: KubeletContext, pod: Object) -> None:
        self.pod = pod
        self.pod_ip: str | None = None
        self.gone = False
        self._forced_phase: str | None = None
        self._context = context
        self._started_at = timestamp()
        inits = pod["spec"].get("initContainers") or []
        reason = "PodInitializing" if inits else "ContainerCreating"
        self.inits = {c["name"]: ContainerState(c["name"]).wait(reason) for c in inits}
        self.mains = {c["name"]: ContainerState(c["name"]).wait(reason) for c in pod["spec"]["containers"]}
        self._dirty = asyncio.Event()
        self._dirty.set()
        self._writing = asyncio.Lock()

    def state(self, container: str) -> ContainerState:
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
        now = timestamp()
        status = compute(self.pod, inits, mains, self.pod_ip, self._started_at, now, self._forced_phase)
        patch = {"metadata": {"uid": self.pod["metadata"]["uid"]}, "status": status}
        answer = await self._context.api.patch(PODS.path_to(self.pod, "status"), patch)
        self.pod = {**self.pod, "status": answer["status"]}
        self._context.observe(answer)

    async def retry(self, call: Callable[[], Awaitable[object]]) -> None:
        """Call until it works. An object that is gone needs no more calls."""
        delays = Backoff(_FIRST_RETRY_S, _LAST_RETRY_S)
        while not self.gone:
            try:
                await call()
            except ApiError as error:
                if error.status in _HOPELESS:
                    log.debug("pod %s: %s", self.pod["metadata"]["name"], error)
                    return
                level = logging.DEBUG if error.not_reached else logging.WARNING
                log.log(level, "pod %s: %s", self.pod["metadata"]["name"], error)
                await asyncio.sleep(delays.next())
            else:
                return

    async def event(self, kind: str, reason: str, note: str) -> None:
        if not self.gone:
            await self._context.events.record(self.pod, kind, reason, note)
