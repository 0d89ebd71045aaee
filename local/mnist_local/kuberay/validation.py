"""What KubeRay refuses in a RayCluster or RayJob, as far as the operator of this project could ask for it."""

import re
from collections.abc import Iterator

from mnist_kube.objects import Object
from mnist_local.kuberay import names as k

_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_MIN_TOKEN_VERSION = (2, 52, 0)


class RefusedError(ValueError):
    """An object that KubeRay does not act on; `event` is the reason of the event that says so."""

    def __init__(self, event: str, message: str) -> None:
        self.event = event
        super().__init__(message)


def check_raycluster(cluster: Object) -> None:
    """Raise RefusedError for a RayCluster that KubeRay answers with nothing but an event."""
    name = cluster["metadata"]["name"]
    where = f"{cluster['metadata']['namespace']}/{name}"
    if problem := _name_problem("RayCluster", name, k.MAX_RAYCLUSTER_NAME):
        raise RefusedError("InvalidRayClusterMetadata", f"The RayCluster metadata is invalid {where}: {problem}")
    for problem in _raycluster_problems(cluster["spec"]):
        raise RefusedError("InvalidRayClusterSpec", f"The RayCluster spec is invalid {where}: {problem}")


def check_rayjob(job: Object) -> None:
    """Raise RefusedError for a RayJob that KubeRay calls ValidationFailed."""
    if problem := _name_problem("RayJob", job["metadata"]["name"], k.MAX_RAYJOB_NAME):
        raise RefusedError("InvalidRayJobMetadata", f"The RayJob metadata is invalid: {problem}")
    for problem in _rayjob_problems(job["spec"]):
        raise RefusedError("InvalidRayJobSpec", f"The RayJob spec is invalid: {problem}")


def _name_problem(kind: str, name: str, limit: int) -> str | None:
    if len(name) > limit:
        return f"{kind} name should be no more than {limit} characters"
    if not _DNS_1035.fullmatch(name):
        return (
            f"{kind} name should be a valid DNS1035 label: lower case letters, digits and '-', "
            "beginning with a letter and ending with a letter or digit"
        )
    return None


def _raycluster_problems(spec: Object) -> Iterator[str]:
    if not spec["headGroupSpec"]["template"].get("spec", {}).get("containers"):
        yield "headGroupSpec needs at least one container"
    for group in spec.get("workerGroupSpecs") or []:
        yield from _group_problems(group, bool(spec.get("enableInTreeAutoscaling")))
    if (spec.get("authOptions") or {}).get("mode") != "token":
        return
    version = spec.get("rayVersion")
    numbers = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version or "")
    if not version:
        yield "authOptions.mode is 'token' but RayVersion was not specified; Ray 2.52.0 or later is required"
    elif numbers is None:
        yield f"authOptions.mode is 'token' but RayVersion format is invalid: {version}"
    elif tuple(int(part or 0) for part in numbers.groups()) < _MIN_TOKEN_VERSION:
        yield f"authOptions.mode is 'token' but minimum Ray version is 2.52.0, got {version}"


def _group_problems(group: Object, autoscaling: bool) -> Iterator[str]:
    name, lower, upper = group["groupName"], group.get("minReplicas"), group.get("maxReplicas")
    if not (group["template"].get("spec") or {}).get("containers"):
        yield f"worker group {name} needs at least one container"
    if not autoscaling and (lower is None or upper is None):
        yield f"worker group {name} must set both minReplicas and maxReplicas when autoscaling is disabled"
    if lower is not None and upper is not None and lower > upper:
        yield f"worker group {name} has minReplicas {lower} greater than maxReplicas {upper}"


def _rayjob_problems(spec: Object) -> Iterator[str]:
    selector, shutdown = spec.get("clusterSelector") or {}, bool(spec.get("shutdownAfterJobFinishes"))
    if spec.get("suspend"):
        yield "the ClusterSelector mode doesn't support the suspend operation"
    if (spec.get("ttlSecondsAfterFinished") or 0) > 0 and not shutdown:
        yield "ttlSecondsAfterFinished needs shutdownAfterJobFinishes"
    if not selector:
        yield "the local KubeRay runs a RayJob only on an existing RayCluster: set clusterSelector"
    elif not selector.get(k.CLUSTER_LABEL):
        yield "cluster name in ClusterSelector should not be empty"
    if spec.get("submissionMode", "K8sJobMode") not in {"K8sJobMode", "HTTPMode"}:
        yield f"submissionMode {spec['submissionMode']} is not supported with ClusterSelector, or by the local KubeRay"
    if spec.get("submissionMode", "K8sJobMode") == "K8sJobMode" and not spec.get("submitterPodTemplate"):
        yield "the local KubeRay needs a submitterPodTemplate"
    if spec.get("backoffLimit"):
        yield "BackoffLimit is incompatible with ClusterSelector mode"
