"""The status of a pod as a function of its spec and of what its containers do, and its way into the API.

Containers are never started again in place: the operator's pods have the restart policy Never, and so every pod here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from mnist_kube.errors import ApiError
from mnist_kube.objects import FALSE, TRUE, Object, with_condition
from mnist_kube.pacing import Backoff
from mnist_kube.resources import PODS
from mnist_kube.times import timestamp
from mnist_local.kuberay.kubelet.context import KubeletContext

HOST_IP = "127.0.0.1"
_FIRST_RETRY_S, _LAST_RETRY_S = 0.1, 2.0
_HOPELESS = {404, 409, 422}  # the object is gone, or another one has its name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ContainerState:
    """One container. Exactly one of waiting (reason, message), running since, terminated describes it."""

    name: str
    waiting: tuple[str, str] | None = ("ContainerCreating", "")
    running_since: str | None = None
    terminated: Object | None = None
    ready: bool = False
    container_id: str = ""

    def wait(self, reason: str, message: str = "") -> "ContainerState":
        """The container waiting for a cause."""
        return replace(self, waiting=(reason, message), running_since=None, terminated=None, ready=False)

    def run(self, at: str, container_id: str) -> "ContainerState":
        """The container running since a time."""
        return replace(self, waiting=None, running_since=at, terminated=None, ready=False, container_id=container_id)

    def end(self, exit_code: int, signal: int | None, at: str, message: str = "", reason: str = "") -> "ContainerState":
        """The container's first process ended."""
        terminated: Object = {
            "exitCode": exit_code,
            "reason": reason or ("Completed" if exit_code == 0 else "Error"),
            "startedAt": self.running_since or at,
            "finishedAt": at,
            "containerID": self.container_id,
        }
        if signal is not None:
            terminated["signal"] = signal
        if message:
            terminated["message"] = message
        return replace(self, waiting=None, running_since=None, terminated=terminated, ready=False)

    def as_status(self, image: str) -> Object:
        """A v1 ContainerStatus."""
        state: Object = {}
        if self.waiting is not None:
            reason, message = self.waiting
            state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        elif self.running_since is not None:
            state = {"running": {"startedAt": self.running_since}}
        elif self.terminated is not None:
            state = {"terminated": self.terminated}
        status: Object = {
            "name": self.name,
            "state": state,
            "ready": self.ready,
            "started": self.running_since is not None,
            "restartCount": 0,
            "image": image,
            "imageID": "",
        }
        if self.container_id:
            status["containerID"] = self.container_id
        return status


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
    initialized = all(state.terminated is not None and state.terminated["exitCode"] == 0 for state in inits)
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
    if any(state.terminated and state.terminated["exitCode"] for state in inits):
        return "Failed"
    if not initialized or any(state.waiting is not None for state in states):
        return "Pending"
    if all(state.terminated is not None for state in states):
        return "Failed" if any(state.terminated and state.terminated["exitCode"] for state in states) else "Succeeded"
    return "Running"


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
        """An event on the pod."""
        if not self.gone:
            await self._context.events.record(self.pod, kind, reason, note)
