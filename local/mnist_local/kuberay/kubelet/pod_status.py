"""The status of a pod as a function of its spec and of what its containers do."""

from dataclasses import dataclass, replace
from typing import Any

from mnist_local.kuberay.conditions import FALSE, TRUE, put
from mnist_local.kuberay.json_types import Json

HOST_IP = "127.0.0.1"


@dataclass(frozen=True)
class ContainerState:
    """One container. Exactly one of waiting (reason, message), running since, terminated describes it."""

    name: str
    waiting: tuple[str, str] | None = ("ContainerCreating", "")
    running_since: str | None = None
    terminated: Json | None = None
    last_terminated: Json | None = None
    ready: bool = False
    restarts: int = 0
    container_id: str = ""

    def wait(self, reason: str, message: str = "") -> "ContainerState":
        """The container waiting for a cause."""
        return replace(self, waiting=(reason, message), running_since=None, terminated=None, ready=False)

    def run(self, at: str, container_id: str) -> "ContainerState":
        """The container running since a time."""
        return replace(self, waiting=None, running_since=at, terminated=None, ready=False, container_id=container_id)

    def end(self, exit_code: int, signal: int | None, at: str, message: str = "", reason: str = "") -> "ContainerState":
        """The container's first process ended."""
        terminated: Json = {
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

    def restart(self) -> "ContainerState":
        """The container about to run again in place."""
        again = replace(self, last_terminated=self.terminated, restarts=self.restarts + 1)
        return again.wait("CrashLoopBackOff", f"back-off restarting failed container {self.name}")

    def as_status(self, image: str) -> Json:
        """A v1 ContainerStatus."""
        state: Json = {}
        if self.waiting is not None:
            reason, message = self.waiting
            state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        elif self.running_since is not None:
            state = {"running": {"startedAt": self.running_since}}
        elif self.terminated is not None:
            state = {"terminated": self.terminated}
        status: Json = {
            "name": self.name,
            "state": state,
            "lastState": {"terminated": self.last_terminated} if self.last_terminated else {},
            "ready": self.ready,
            "started": self.running_since is not None,
            "restartCount": self.restarts,
            "image": image,
            "imageID": "",
        }
        if self.container_id:
            status["containerID"] = self.container_id
        return status


def phase(states: list[ContainerState], restart_policy: str, initialized: bool) -> str:
    """The pod's phase by the kubelet's rules. Restart policy Always never ends."""
    if not initialized or any(state.waiting is not None and state.restarts == 0 for state in states):
        return "Pending"
    if all(state.terminated is not None for state in states) and restart_policy != "Always":
        failed = any(state.terminated and state.terminated["exitCode"] for state in states)
        if not failed:
            return "Succeeded"
        if restart_policy == "Never":
            return "Failed"
    return "Running"


def compute(
    pod: Json,
    inits: list[ContainerState],
    states: list[ContainerState],
    pod_ip: str | None,
    started_at: str,
    now: str,
    forced_phase: str | None = None,
) -> Json:
    """The whole status. `forced_phase` is the phase of a pod that is being ended from outside."""
    initialized = all(state.terminated is not None and state.terminated["exitCode"] == 0 for state in inits)
    init_failed = any(state.terminated and state.terminated["exitCode"] for state in inits)
    policy = pod["spec"].get("restartPolicy", "Always")
    current = forced_phase or phase(states, policy, initialized)
    if init_failed and policy == "Never":
        current = "Failed"
    images = {container["name"]: container.get("image", "") for container in _containers(pod)}
    conditions = _conditions(
        (pod.get("status") or {}).get("conditions") or [], states, current, initialized, pod_ip, now
    )
    status: dict[str, Any] = {
        "phase": current,
        "conditions": conditions,
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


def _containers(pod: Json) -> list[Json]:
    return [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]


def _conditions(
    old: list[Json], states: list[ContainerState], current: str, initialized: bool, pod_ip: str | None, now: str
) -> list[Json]:
    unready = [state.name for state in states if not state.ready]
    if current == "Failed":
        cause = ("PodFailed", "")
    elif current == "Succeeded":
        cause = ("PodCompleted", "")
    else:
        cause = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    ready = (FALSE, *cause) if unready else (TRUE, "", "")
    begun = (TRUE, "", "") if initialized else (FALSE, "ContainersNotInitialized", "init containers have not completed")
    conditions = put(old, "PodReadyToStartContainers", TRUE if pod_ip else FALSE, "", "", now)
    conditions = put(conditions, "Initialized", *begun, now)
    conditions = put(conditions, "Ready", *ready, now)
    conditions = put(conditions, "ContainersReady", *ready, now)
    conditions = put(conditions, "PodScheduled", TRUE, "", "", now)
    return [{key: value for key, value in entry.items() if value} for entry in conditions]
