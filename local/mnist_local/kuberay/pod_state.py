"""What a pod's status says, as KubeRay reads it."""

from mnist_kube.objects import Object, find_condition, labels_of
from mnist_local.kuberay import names as k


def phase(pod: Object) -> str:
    """Return the pod's phase, Pending when none has been written yet."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_worker(pod: Object) -> bool:
    """Whether the pod is a Ray worker."""
    return labels_of(pod).get(k.NODE_TYPE_LABEL) == k.WORKER


def is_head(pod: Object) -> bool:
    """Whether the pod is a Ray head."""
    return labels_of(pod).get(k.NODE_TYPE_LABEL) == k.HEAD


def ready_condition(pod: Object) -> Object | None:
    """Return the pod's Ready condition, or None."""
    found = find_condition((pod.get("status") or {}).get("conditions") or [], "Ready")
    return None if found is None else dict(found)


def is_running_and_ready(pod: Object) -> bool:
    """Running, with Ready True."""
    return phase(pod) == "Running" and (ready_condition(pod) or {}).get("status") == "True"


def all_running(pods: list[Object]) -> bool:
    """At least one pod, all Running, and none that says it is not ready."""
    return bool(pods) and all(
        phase(pod) == "Running" and (ready_condition(pod) or {"status": "True"})["status"] == "True" for pod in pods
    )


def _container_statuses(pod: Object) -> list[Object]:
    return (pod.get("status") or {}).get("containerStatuses") or []


def terminated(pod: Object) -> Object | None:
    """Return the terminated state of the pod's first container, or None while it lives."""
    name = pod["spec"]["containers"][0]["name"]
    states = [status.get("state") or {} for status in _container_statuses(pod) if status["name"] == name]
    return states[0].get("terminated") if states else None


def first_not_running(pod: Object) -> tuple[str, str] | None:
    """Return (reason, "container: message") of the first waiting or terminated container, or None."""
    for status in _container_statuses(pod):
        state = status.get("state") or {}
        cause = state.get("waiting") or state.get("terminated")
        if cause is not None:
            return cause.get("reason", ""), f"{status['name']}: {cause.get('message', '')}"
    return None


def must_be_replaced(pod: Object) -> str | None:
    """Return why KubeRay deletes the pod to make another (it can never run again), or None while it can."""
    name, state = pod["metadata"]["name"], phase(pod)
    if state in {"Failed", "Succeeded"}:
        return f"pod {name} is {state} and will not restart"
    if state == "Running" and terminated(pod) is not None:
        return f"the Ray container of pod {name} ended and its restartPolicy is Never"
    return None


def has_run(pod: Object) -> bool:
    """Whether a container of the pod was ever started."""
    states = [status.get("state") or {} for status in _container_statuses(pod)]
    return any("running" in state or "terminated" in state for state in states)
