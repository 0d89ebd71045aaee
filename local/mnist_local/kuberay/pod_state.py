"""What a pod's status says, as KubeRay reads it."""

from mnist_local.kuberay import constants as k
from mnist_local.kuberay.json_types import Json, labels_of


def phase(pod: Json) -> str:
    """The pod's phase, Pending when none has been written yet."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_worker(pod: Json) -> bool:
    """Whether the pod is a Ray worker."""
    return labels_of(pod).get(k.NODE_TYPE_LABEL) == k.WORKER


def is_head(pod: Json) -> bool:
    """Whether the pod is a Ray head."""
    return labels_of(pod).get(k.NODE_TYPE_LABEL) == k.HEAD


def ready_condition(pod: Json) -> Json | None:
    """The pod's Ready condition, or None."""
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition["type"] == "Ready":
            found: Json = condition
            return found
    return None


def is_running_and_ready(pod: Json) -> bool:
    """Running, with Ready True."""
    ready = ready_condition(pod)
    return phase(pod) == "Running" and ready is not None and ready["status"] == "True"


def all_running(pods: list[Json]) -> bool:
    """At least one pod, all Running, and none that says it is not ready."""
    return bool(pods) and all(
        phase(pod) == "Running" and (ready_condition(pod) or {"status": "True"})["status"] == "True" for pod in pods
    )


def _container_statuses(pod: Json) -> list[Json]:
    return (pod.get("status") or {}).get("containerStatuses") or []


def ray_container_terminated(pod: Json) -> Json | None:
    """The terminated state of the pod's first container, or None while it lives."""
    name = pod["spec"]["containers"][0]["name"]
    for status in _container_statuses(pod):
        if status["name"] == name:
            terminated: Json | None = (status.get("state") or {}).get("terminated")
            return terminated
    return None


def first_not_running(pod: Json) -> tuple[str, str] | None:
    """(reason, "container: message") of the first waiting or terminated container, or None."""
    for status in _container_statuses(pod):
        state = status.get("state") or {}
        cause = state.get("waiting") or state.get("terminated")
        if cause is not None:
            return cause.get("reason", ""), f"{status['name']}: {cause.get('message', '')}"
    return None


def must_be_replaced(pod: Json) -> str | None:
    """Why KubeRay deletes the pod to make another: it can never run again. None while it can."""
    name, state = pod["metadata"]["name"], phase(pod)
    if state in {"Failed", "Succeeded"}:
        return f"pod {name} is {state} and will not restart"
    never_restarts = pod["spec"].get("restartPolicy", "Always") == "Never"
    if state == "Running" and never_restarts and ray_container_terminated(pod) is not None:
        return f"the Ray container of pod {name} ended and its restartPolicy is Never"
    return None
