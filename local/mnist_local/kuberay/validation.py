"""What KubeRay refuses in a RayCluster or RayJob. Each check answers with the reason in a sentence, or None."""

import re
from collections.abc import Iterator

import yaml

from mnist_local.kuberay import constants as k
from mnist_local.kuberay.json_types import Json

_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_MIN_TOKEN_VERSION = (2, 52, 0)
_RESOURCE_PARAMS = ("num-cpus", "num-gpus", "memory", "resources")


class RefusedError(ValueError):
    """An object that KubeRay does not act on; `event` is the reason of the event that says so."""

    def __init__(self, event: str, message: str) -> None:
        """`message` says what is wrong."""
        self.event = event
        super().__init__(message)


def is_foreign(obj: Json) -> bool:
    """Whether another controller (Kueue's MultiKueue) manages the object."""
    return obj["spec"].get("managedBy") not in {None, k.KUBERAY_MANAGER}


def _name_problem(kind: str, name: str, limit: int) -> str | None:
    if len(name) > limit:
        return f"{kind} name should be no more than {limit} characters"
    if not _DNS_1035.fullmatch(name):
        return (
            f"{kind} name should be a valid DNS1035 label: lower case letters, digits and '-', "
            "beginning with a letter and ending with a letter or digit"
        )
    return None


def check_raycluster(cluster: Json) -> None:
    """Raise RefusedError for a RayCluster that KubeRay would answer with nothing but an event."""
    name = cluster["metadata"]["name"]
    where = f"{cluster['metadata']['namespace']}/{name}"
    if problem := _name_problem("RayCluster", name, k.MAX_RAYCLUSTER_NAME):
        raise RefusedError("InvalidRayClusterMetadata", f"The RayCluster metadata is invalid {where}: {problem}")
    for problem in raycluster_problems(cluster["spec"]):
        raise RefusedError("InvalidRayClusterSpec", f"The RayCluster spec is invalid {where}: {problem}")


def raycluster_problems(spec: Json) -> Iterator[str]:
    """Every reason why KubeRay would refuse this spec."""
    head = spec["headGroupSpec"]
    containers = head["template"].get("spec", {}).get("containers") or []
    if not containers:
        yield "headGroupSpec needs at least one container"
        return
    yield from _group_problems("Head", head)
    head_env = {entry["name"]: entry.get("value") for entry in containers[0].get("env") or []}
    autoscaling = bool(spec.get("enableInTreeAutoscaling"))
    for group in spec.get("workerGroupSpecs") or []:
        yield from _worker_group_problems(group, autoscaling)
    if "RAY_REDIS_ADDRESS" in head_env and not spec.get("gcsFaultToleranceOptions"):
        yield "RAY_REDIS_ADDRESS is set without gcsFaultToleranceOptions"
    if "REDIS_USERNAME" in head_env or (head.get("rayStartParams") or {}).get("redis-username"):
        yield "a redis username belongs into gcsFaultToleranceOptions.redisUsername"
    if not autoscaling and head_env.get("RAY_enable_autoscaler_v2") in {"1", "true"}:
        yield "RAY_enable_autoscaler_v2 needs enableInTreeAutoscaling: true"
    yield from _auth_problems(spec)


def _group_problems(name: str, group: Json) -> Iterator[str]:
    params = group.get("rayStartParams") or {}
    if group.get("resources") and any(params.get(param) for param in _RESOURCE_PARAMS):
        yield f"resources are given both in rayStartParams and in resources of the {name} group; use one of them"
    if "labels" in params:
        yield f"rayStartParams.labels is not supported for the {name} group; use its labels field"


def _worker_group_problems(group: Json, autoscaling: bool) -> Iterator[str]:
    name = group["groupName"]
    if not (group["template"].get("spec") or {}).get("containers"):
        yield f"worker group {name} needs at least one container"
        return
    least, most = group.get("minReplicas"), group.get("maxReplicas")
    if not autoscaling and (least is None or most is None):
        yield f"worker group {name} must set both minReplicas and maxReplicas when autoscaling is disabled"
    for field, value in (("minReplicas", least), ("maxReplicas", most)):
        if value is not None and value < 0:
            yield f"worker group {name} has negative {field} {value}"
    if least is not None and most is not None and least > most:
        yield f"worker group {name} has minReplicas {least} greater than maxReplicas {most}"
    if group.get("suspend") and autoscaling:
        yield f"worker group {name} cannot be suspended with Autoscaler enabled"
    yield from _group_problems(name, group)


def _auth_problems(spec: Json) -> Iterator[str]:
    options = spec.get("authOptions") or {}
    if options.get("mode") != "token":
        if options.get("enableK8sTokenAuth"):
            yield "authOptions.enableK8sTokenAuth needs authOptions.mode 'token'"
        return
    if options.get("enableK8sTokenAuth"):
        yield "authOptions.enableK8sTokenAuth is not supported by the local KubeRay"
    version = spec.get("rayVersion")
    if not version:
        yield "authOptions.mode is 'token' but RayVersion was not specified; Ray 2.52.0 or later is required"
        return
    numbers = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version)
    if numbers is None:
        yield f"authOptions.mode is 'token' but RayVersion format is invalid: {version}"
    elif tuple(int(part or 0) for part in numbers.groups()) < _MIN_TOKEN_VERSION:
        yield f"authOptions.mode is 'token' but minimum Ray version is 2.52.0, got {version}"


def check_rayjob(job: Json) -> None:
    """Raise RefusedError for a RayJob that KubeRay would call ValidationFailed."""
    if problem := _name_problem("RayJob", job["metadata"]["name"], k.MAX_RAYJOB_NAME):
        raise RefusedError("InvalidRayJobMetadata", f"The RayJob metadata is invalid: {problem}")
    for problem in rayjob_problems(job["spec"]):
        raise RefusedError("InvalidRayJobSpec", f"The RayJob spec is invalid: {problem}")
    if (job.get("status") or {}).get("jobDeploymentStatus") == "Waiting":
        raise RefusedError("InvalidRayJobStatus", "The RayJob status is invalid: Waiting is for InteractiveMode only")


def rayjob_problems(spec: Json) -> Iterator[str]:
    """Every reason why KubeRay, or this local one, would refuse this spec."""
    selector = spec.get("clusterSelector") or {}
    shutdown = bool(spec.get("shutdownAfterJobFinishes"))
    ttl = spec.get("ttlSecondsAfterFinished") or 0
    backoff_limit = spec.get("backoffLimit") or 0
    if spec.get("suspend") and not shutdown:
        yield "a RayJob with shutdownAfterJobFinishes set to false is not allowed to be suspended"
    if ttl < 0:
        yield "ttlSecondsAfterFinished must be a non-negative integer"
    if ttl > 0 and not shutdown:
        yield "ttlSecondsAfterFinished needs shutdownAfterJobFinishes"
    if not selector:
        yield (
            "the local KubeRay runs a RayJob only on an existing RayCluster: set clusterSelector"
            if spec.get("rayClusterSpec")
            else "one of rayClusterSpec or clusterSelector must be set"
        )
        return
    yield from _selector_problems(spec, selector, backoff_limit)
    if spec.get("submissionMode", "K8sJobMode") not in {"K8sJobMode", "HTTPMode", "SidecarMode"}:
        yield f"submissionMode {spec['submissionMode']} is not supported by the local KubeRay"
    for field in ("activeDeadlineSeconds", "preRunningDeadlineSeconds"):
        if spec.get(field) is not None and spec[field] <= 0:
            yield f"{field} must be a positive integer"
    if backoff_limit < 0:
        yield "backoffLimit must not be negative"
    yield from _runtime_env_problems(spec.get("runtimeEnvYAML") or "")


def _selector_problems(spec: Json, selector: dict[str, str], backoff_limit: int) -> Iterator[str]:
    if spec.get("suspend"):
        yield "the ClusterSelector mode doesn't support the suspend operation"
    if not selector.get(k.CLUSTER_LABEL):
        yield "cluster name in ClusterSelector should not be empty"
    if spec.get("submissionMode") == "SidecarMode":
        yield "ClusterSelector is not supported in SidecarMode"
    if backoff_limit > 0:
        yield "BackoffLimit is incompatible with ClusterSelector mode"
    for rule in (spec.get("deletionStrategy") or {}).get("deletionRules") or []:
        if rule.get("policy") in {"DeleteCluster", "DeleteWorkers"}:
            yield f"deletion policy {rule['policy']} is not supported with ClusterSelector"


def _runtime_env_problems(text: str) -> Iterator[str]:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        yield f"runtimeEnvYAML is not YAML: {' '.join(str(error).split())}"
        return
    if value is not None and not isinstance(value, dict):
        yield "runtimeEnvYAML must be a mapping"
