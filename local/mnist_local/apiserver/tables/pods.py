"""The cells of a pod: how many containers are ready, the one word for its state, its restarts."""

from __future__ import annotations

from dataclasses import dataclass

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.tables.duration import since

_NONE = "<none>"


@dataclass(slots=True)
class _Seen:
    """What a pod's container statuses come to."""

    reason: str
    ready: int = 0
    total: int = 0
    restarts: int = 0
    last_restart: str = ""

    def count(self, status: Obj) -> None:
        """Add a container's restarts."""
        self.restarts += int(status.get("restartCount") or 0)
        ended = ((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt") or ""
        self.last_restart = max(self.last_restart, ended)


def _is_sidecar(container: Obj | None) -> bool:
    return container is not None and container.get("restartPolicy") == "Always"


def _ended(terminated: Obj) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _has(status: Obj, kind: str) -> bool:
    return any(c["type"] == kind and c.get("status") == "True" for c in status.get("conditions") or ())


def _look(pod: Obj) -> _Seen:
    spec, status = pod.get("spec", {}), pod.get("status", {})
    seen = _Seen(status.get("reason") or status.get("phase", ""))
    if any(
        c["type"] == "PodScheduled" and c.get("reason") == "SchedulingGated" for c in status.get("conditions") or ()
    ):
        seen.reason = "SchedulingGated"
    init = {container["name"]: container for container in spec.get("initContainers") or ()}
    seen.total = len(spec.get("containers") or ()) + sum(1 for c in init.values() if _is_sidecar(c))
    sidecars = _Seen("")
    initializing = _look_at_init(pod, init, seen, sidecars)
    if not initializing or _has(status, "Initialized"):
        seen.restarts, seen.last_restart = sidecars.restarts, sidecars.last_restart
        _look_at_containers(status, seen)
    if pod["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            seen.reason = "Unknown"
        elif status.get("phase") not in ("Succeeded", "Failed"):
            seen.reason = "Terminating"
    return seen


def _look_at_init(pod: Obj, init: dict[str, Obj], seen: _Seen, sidecars: _Seen) -> bool:
    """Follow the init containers up to the first that is not done; tells whether there is one."""
    statuses = pod.get("status", {}).get("initContainerStatuses") or ()
    for index, one in enumerate(statuses):
        state = one.get("state") or {}
        sidecar = _is_sidecar(init.get(one["name"]))
        seen.count(one)
        if sidecar:
            sidecars.count(one)
        terminated, waiting = state.get("terminated"), state.get("waiting") or {}
        if terminated and not terminated.get("exitCode"):
            continue
        if sidecar and one.get("started"):
            seen.ready += bool(one.get("ready"))
            continue
        if terminated:
            seen.reason = "Init:" + _ended(terminated)
        elif waiting.get("reason") and waiting["reason"] != "PodInitializing":
            seen.reason = "Init:" + waiting["reason"]
        else:
            seen.reason = f"Init:{index}/{len(init)}"
        return True
    return False


def _look_at_containers(status: Obj, seen: _Seen) -> None:
    running = False
    failed = ""
    for one in reversed(status.get("containerStatuses") or ()):
        state = one.get("state") or {}
        seen.count(one)
        if reason := (state.get("waiting") or {}).get("reason"):
            seen.reason = reason
        elif terminated := state.get("terminated"):
            seen.reason = _ended(terminated)
            if terminated.get("exitCode"):
                failed = seen.reason
        elif one.get("ready") and "running" in state:
            running = True
            seen.ready += 1
    if seen.reason == "Completed":
        if running and _has(status, "Ready"):
            seen.reason = "Running"
        elif failed:
            seen.reason = failed
        elif running:
            seen.reason = "NotReady"


def ready(pod: Obj) -> str:
    """Return ready and all containers, as 1/2."""
    seen = _look(pod)
    return f"{seen.ready}/{seen.total}"


def status(pod: Obj) -> str:
    """Return the one word for a pod's state."""
    return _look(pod).reason


def restarts(pod: Obj) -> str:
    """Return the restarts, and how long ago the last was."""
    seen = _look(pod)
    if seen.restarts and seen.last_restart:
        return f"{seen.restarts} ({since(seen.last_restart)} ago)"
    return str(seen.restarts)


def ip(pod: Obj) -> str:
    """Return the pod's first address."""
    found = pod.get("status", {}).get("podIPs") or ()
    return str(found[0].get("ip", _NONE)) if found else _NONE


def readiness_gates(pod: Obj) -> str:
    """Return how many readiness gates are open."""
    gates = pod.get("spec", {}).get("readinessGates") or ()
    if not gates:
        return _NONE
    return f"{sum(_has(pod.get('status', {}), gate['conditionType']) for gate in gates)}/{len(gates)}"
