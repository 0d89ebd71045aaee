"""The status of a RayCluster as a function of its spec, its last status and its pods."""

import copy
from dataclasses import dataclass

from mnist_local.kuberay import conditions as c
from mnist_local.kuberay import pod_state, replicas
from mnist_local.kuberay.json_types import Json

PROVISIONED = "RayClusterProvisioned"
HEAD_READY = "HeadPodReady"
SUSPENDING = "RayClusterSuspending"
SUSPENDED = "RayClusterSuspended"
REPLICA_FAILURE = "ReplicaFailure"
_PODS_PROVISIONING = "RayClusterPodsProvisioning"


@dataclass(frozen=True)
class ReconcileError:
    """A pass over the pods that did not come to its end; `reason` is set where KubeRay calls it a ReplicaFailure."""

    message: str
    reason: str | None = None


def conditions_of(cluster: Json) -> list[Json]:
    """The conditions in a RayCluster's status."""
    return (cluster.get("status") or {}).get("conditions") or []


def suspend_stage(conditions: list[Json]) -> str | None:
    """SUSPENDING, SUSPENDED or None."""
    for stage in (SUSPENDING, SUSPENDED):
        if c.is_true(conditions, stage):
            return stage
    return None


def compute(
    cluster: Json,
    pods: list[Json],
    service: Json | None,
    error: ReconcileError | None,
    now: str,
    trouble: ReconcileError | None = None,
) -> Json:
    """The whole next status. `pods` are all pods of the cluster, terminating ones too; `now` is RFC 3339.

    `error` stopped this pass; `trouble` only tells of replicas that fail again and again.
    """
    old: Json = cluster.get("status") or {}
    status = copy.deepcopy(old)
    conditions: list[Json] = status.get("conditions") or []
    status["observedGeneration"] = cluster["metadata"].get("generation", 1)
    status |= _counts(cluster, pods)
    if error is None and len(pods) == status["desiredWorkerReplicas"] + 1 and pod_state.all_running(pods):
        status["state"] = "ready"
        status.pop("reason", None)
    failure = error if error is not None and error.reason else trouble
    if failure is not None and failure.reason:
        conditions = c.put(conditions, REPLICA_FAILURE, c.TRUE, failure.reason, failure.message, now)
    elif error is None:
        conditions = c.without(conditions, REPLICA_FAILURE)
    head = next((pod for pod in pods if pod_state.is_head(pod)), None)
    conditions = c.put(conditions, HEAD_READY, *head_readiness(head), now)
    status["conditions"] = _suspend_conditions(_provisioned(conditions, pods, now), cluster, pods, now)
    if cluster["spec"].get("suspend") and not pods:
        status["state"] = "suspended"
    status["head"] = _head_info(head, service)
    if service is not None:
        status["endpoints"] = {
            port["name"]: str(port.get("nodePort") or port.get("targetPort") or port["port"])
            for port in service["spec"].get("ports") or []
            if port.get("name")
        }
    status["lastUpdateTime"] = now
    if status.get("state") != old.get("state"):
        status["stateTransitionTimes"] = {**(status.get("stateTransitionTimes") or {}), status["state"]: now}
    return {key: value for key, value in status.items() if value not in ("", 0, None)}


def _counts(cluster: Json, pods: list[Json]) -> Json:
    workers = [pod for pod in pods if pod_state.is_worker(pod)]
    return {
        "desiredWorkerReplicas": replicas.total_desired(cluster),
        "minWorkerReplicas": replicas.total_bound(cluster, "minReplicas", 0),
        "maxWorkerReplicas": replicas.total_bound(cluster, "maxReplicas", replicas.MAX_INT32),
        "availableWorkerReplicas": sum(pod_state.phase(pod) == "Running" for pod in workers),
        "readyWorkerReplicas": sum(pod_state.is_running_and_ready(pod) for pod in workers),
        **replicas.desired_resources(cluster),
    }


def head_readiness(head: Json | None) -> tuple[str, str, str]:
    """(status, reason, message) of HeadPodReady, which carries the head pod's own cause."""
    if head is None:
        return c.FALSE, "HeadPodNotFound", "Head Pod not found"
    ready = pod_state.ready_condition(head)
    if ready is None:
        return c.FALSE, "Unknown", ""
    reason, message = ready.get("reason") or "", ready.get("message") or ""
    if ready["status"] == c.TRUE and not reason:
        reason = "HeadPodRunningAndReady"
    if reason == "ContainersNotReady" and (cause := pod_state.first_not_running(head)):
        reason, message = cause[0], "; ".join(part for part in (message, cause[1]) if part)
    return ready["status"], reason or "Unknown", message


def _provisioned(conditions: list[Json], pods: list[Json], now: str) -> list[Json]:
    """True once all pods were ready, and from then on until a suspension."""
    if c.is_true(conditions, PROVISIONED) or suspend_stage(conditions) == SUSPENDED:
        return conditions
    if pod_state.all_running(pods):
        message = "All Ray Pods are ready for the first time"
        return c.put(conditions, PROVISIONED, c.TRUE, "AllPodRunningAndReadyFirstTime", message, now)
    message = "RayCluster Pods are being provisioned for first time"
    return c.put(conditions, PROVISIONED, c.FALSE, _PODS_PROVISIONING, message, now)


def _suspend_conditions(conditions: list[Json], cluster: Json, pods: list[Json], now: str) -> list[Json]:
    """A suspension, once begun, runs to its end; it is left only by an explicit `suspend: false`."""
    wish = cluster["spec"].get("suspend")

    def put(into: list[Json], kind: str, status: str) -> list[Json]:
        return c.put(into, kind, status, kind, "", now)

    match suspend_stage(conditions):
        case "RayClusterSuspending":
            if not pods:
                message = "RayCluster has been suspended"
                conditions = c.put(conditions, PROVISIONED, c.FALSE, _PODS_PROVISIONING, message, now)
                conditions = put(put(conditions, SUSPENDING, c.FALSE), SUSPENDED, c.TRUE)
        case "RayClusterSuspended":
            if wish is False:
                conditions = put(conditions, SUSPENDED, c.FALSE)
        case _:
            conditions = put(conditions, SUSPENDED, c.FALSE)
            conditions = put(conditions, SUSPENDING, c.TRUE if wish else c.FALSE)
    return conditions


def _head_info(head: Json | None, service: Json | None) -> Json:
    info: Json = {}
    if head is not None:
        info = {"podName": head["metadata"]["name"], "podIP": (head.get("status") or {}).get("podIP", "")}
    if service is not None:
        info["serviceName"] = service["metadata"]["name"]
        address = service["spec"].get("clusterIP")
        info["serviceIP"] = info.get("podIP", "") if address in {None, "", "None"} else address
    return {key: value for key, value in info.items() if value}


def worth_writing(old: Json, new: Json) -> bool:
    """Whether anything but times and the observed generation differs: only then KubeRay writes."""
    ignored = {"lastUpdateTime", "observedGeneration", "stateTransitionTimes"}
    ignored |= {"desiredCPU", "desiredMemory", "desiredGPU", "desiredTPU"}
    return {key: value for key, value in old.items() if key not in ignored} != {
        key: value for key, value in new.items() if key not in ignored
    }
