"""The status of a RayCluster as a function of its spec, its last status and its pods.

Every transition that was recorded on a real cluster is reproduced by `compute`.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from mnist_kube.objects import FALSE, TRUE, Object, is_true, with_condition, without_condition
from mnist_kube.quantity import format_bytes, format_count, parse_quantity
from mnist_local.kuberay import pod_state

PROVISIONED = "RayClusterProvisioned"
HEAD_READY = "HeadPodReady"
SUSPENDING = "RayClusterSuspending"
SUSPENDED = "RayClusterSuspended"
REPLICA_FAILURE = "ReplicaFailure"
_PODS_PROVISIONING = "RayClusterPodsProvisioning"
_MAX_INT32 = 2**31 - 1


@dataclass(frozen=True)
class ReconcileError:
    """A pass over the pods that did not come to its end; `reason` is set where KubeRay calls it a ReplicaFailure."""

    message: str
    reason: str | None = None


def suspend_stage(cluster: Object) -> str | None:
    """Return SUSPENDING, SUSPENDED or None."""
    return _suspend_stage((cluster.get("status") or {}).get("conditions") or [])


def _suspend_stage(conditions: list[Object]) -> str | None:
    return next((stage for stage in (SUSPENDING, SUSPENDED) if is_true(conditions, stage)), None)


def compute(
    cluster: Object,
    pods: list[Object],
    service: Object | None,
    error: ReconcileError | None,
    now: str,
    trouble: ReconcileError | None = None,
) -> Object:
    """The whole next status. `pods` are all pods of the cluster, terminating ones too; `now` is RFC 3339.

    `error` stopped this pass; `trouble` only tells of replicas that fail again and again.
    """
    old: Object = cluster.get("status") or {}
    status = copy.deepcopy(old)
    conditions: list[Object] = status.get("conditions") or []
    status["observedGeneration"] = cluster["metadata"].get("generation", 1)
    status |= _counts(cluster, pods)
    if error is None and len(pods) == status["desiredWorkerReplicas"] + 1 and pod_state.all_running(pods):
        status["state"] = "ready"
        status.pop("reason", None)
    failure = error if error is not None and error.reason else trouble
    if failure is not None and failure.reason:
        conditions = with_condition(conditions, REPLICA_FAILURE, TRUE, failure.reason, failure.message, now)
    elif error is None:
        conditions = without_condition(conditions, REPLICA_FAILURE)
    head = next((pod for pod in pods if pod_state.is_head(pod)), None)
    conditions = with_condition(conditions, HEAD_READY, *head_readiness(head), now)
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


def groups(cluster: Object) -> list[Object]:
    """Return the worker groups of a RayCluster."""
    return cluster["spec"].get("workerGroupSpecs") or []


def desired_workers(cluster: Object) -> int:
    """Return the worker pods that the whole cluster should have."""
    return sum(desired_pods(group) for group in groups(cluster))


def desired_pods(group: Object) -> int:
    """Return the worker pods that a group should have: its replicas within its bounds; the CRD has defaults."""
    return int(min(max(group["replicas"], group["minReplicas"]), group["maxReplicas"]))


def _amounts(template: Object) -> Iterator[tuple[str, Decimal]]:
    for container in template["spec"].get("containers") or []:
        resources = container.get("resources") or {}
        merged = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
        for name, value in merged.items():
            yield name, parse_quantity(value)


def _desired_resources(cluster: Object) -> dict[str, str]:
    """The head's and all replicas' requests."""
    total: dict[str, Decimal] = {}
    parts = [(group["template"], group["replicas"]) for group in groups(cluster)]
    for template, count in [(cluster["spec"]["headGroupSpec"]["template"], 1), *parts]:
        for name, value in _amounts(template):
            total[name] = total.get(name, Decimal(0)) + value * count
    gpus = sum((value for name, value in total.items() if name.endswith("gpu")), Decimal(0))
    return {
        "desiredCPU": format_count(total.get("cpu", Decimal(0))),
        "desiredMemory": format_bytes(total.get("memory", Decimal(0))),
        "desiredGPU": format_count(gpus),
        "desiredTPU": format_count(total.get("google.com/tpu", Decimal(0))),
    }


def _counts(cluster: Object, pods: list[Object]) -> Object:
    workers = [pod for pod in pods if pod_state.is_worker(pod)]
    return {
        "desiredWorkerReplicas": desired_workers(cluster),
        "minWorkerReplicas": sum(group["minReplicas"] for group in groups(cluster)),
        "maxWorkerReplicas": min(sum(group["maxReplicas"] for group in groups(cluster)), _MAX_INT32),
        "availableWorkerReplicas": sum(pod_state.phase(pod) == "Running" for pod in workers),
        "readyWorkerReplicas": sum(pod_state.is_running_and_ready(pod) for pod in workers),
        **_desired_resources(cluster),
    }


def head_readiness(head: Object | None) -> tuple[str, str, str]:
    """(status, reason, message) of HeadPodReady, which carries the head pod's own cause."""
    if head is None:
        return FALSE, "HeadPodNotFound", "Head Pod not found"
    ready = pod_state.ready_condition(head)
    if ready is None:
        return FALSE, "Unknown", ""
    reason, message = ready.get("reason") or "", ready.get("message") or ""
    if ready["status"] == TRUE and not reason:
        reason = "HeadPodRunningAndReady"
    if reason == "ContainersNotReady" and (cause := pod_state.first_not_running(head)):
        reason, message = cause[0], "; ".join(part for part in (message, cause[1]) if part)
    return ready["status"], reason or "Unknown", message


def _provisioned(conditions: list[Object], pods: list[Object], now: str) -> list[Object]:
    """True once all pods were ready, and from then on until a suspension."""
    if is_true(conditions, PROVISIONED) or _suspend_stage(conditions) == SUSPENDED:
        return conditions
    if pod_state.all_running(pods):
        message = "All Ray Pods are ready for the first time"
        return with_condition(conditions, PROVISIONED, TRUE, "AllPodRunningAndReadyFirstTime", message, now)
    message = "RayCluster Pods are being provisioned for first time"
    return with_condition(conditions, PROVISIONED, FALSE, _PODS_PROVISIONING, message, now)


def _suspend_conditions(conditions: list[Object], cluster: Object, pods: list[Object], now: str) -> list[Object]:
    """A suspension, once begun, runs to its end; it is left only by an explicit `suspend: false`."""
    suspend = cluster["spec"].get("suspend")

    def put(into: list[Object], kind: str, status: str) -> list[Object]:
        return with_condition(into, kind, status, kind, "", now)

    match _suspend_stage(conditions):
        case "RayClusterSuspending":
            if not pods:
                message = "RayCluster has been suspended"
                conditions = with_condition(conditions, PROVISIONED, FALSE, _PODS_PROVISIONING, message, now)
                conditions = put(put(conditions, SUSPENDING, FALSE), SUSPENDED, TRUE)
        case "RayClusterSuspended":
            if suspend is False:
                conditions = put(conditions, SUSPENDED, FALSE)
        case _:
            conditions = put(conditions, SUSPENDED, FALSE)
            conditions = put(conditions, SUSPENDING, TRUE if suspend else FALSE)
    return conditions


def _head_info(head: Object | None, service: Object | None) -> Object:
    info: Object = {}
    if head is not None:
        info = {"podName": head["metadata"]["name"], "podIP": (head.get("status") or {}).get("podIP", "")}
    if service is not None:
        info["serviceName"] = service["metadata"]["name"]
        address = service["spec"].get("clusterIP")
        info["serviceIP"] = info.get("podIP", "") if address in {None, "", "None"} else address
    return {key: value for key, value in info.items() if value}


def worth_writing(old: Object, new: Object) -> bool:
    """Whether anything but times, resources and the observed generation differs: only then KubeRay writes."""
    ignored = {"lastUpdateTime", "observedGeneration", "stateTransitionTimes"}
    ignored |= {"desiredCPU", "desiredMemory", "desiredGPU", "desiredTPU"}
    return any(old.get(key) != new.get(key) for key in {*old, *new} - ignored)
