"""What KubeRay refuses in a RayCluster or RayJob, as far as this project's operator could ask for it."""

import re

from mnist_kube.objects import Object
from mnist_local.kuberay import names as k

_MIN_TOKEN_VERSION = (2, 52)


class RefusedError(ValueError):
    """An object that KubeRay does not act on; `event` is the reason of the event that says so."""

    def __init__(self, event: str, message: str) -> None:
        self.event = event
        super().__init__(message)


def check_raycluster(cluster: Object) -> None:
    """Raise RefusedError for a RayCluster that KubeRay answers with nothing but an event."""
    metadata, spec = cluster["metadata"], cluster["spec"]
    if len(metadata["name"]) > k.MAX_RAYCLUSTER_NAME:
        problem = f"RayCluster name should be no more than {k.MAX_RAYCLUSTER_NAME} characters"
        raise RefusedError("InvalidRayClusterMetadata", f"The RayCluster metadata is invalid: {problem}")
    version = re.match(r"v?(\d+)\.(\d+)", spec.get("rayVersion") or "")
    if k.uses_token(cluster) and (version is None or tuple(map(int, version.groups())) < _MIN_TOKEN_VERSION):
        problem = (
            f"authOptions.mode is 'token' but minimum Ray version is 2.52.0, got {spec.get('rayVersion') or 'none'}"
        )
        raise RefusedError("InvalidRayClusterSpec", f"The RayCluster spec is invalid: {problem}")


def check_rayjob(job: Object) -> None:
    """Raise RefusedError for a RayJob that KubeRay, or this stand-in for it, calls ValidationFailed."""
    spec = job["spec"]
    mode = spec.get("submissionMode", "K8sJobMode")
    if len(job["metadata"]["name"]) > k.MAX_RAYJOB_NAME:
        problem = f"RayJob name should be no more than {k.MAX_RAYJOB_NAME} characters"
        raise RefusedError("InvalidRayJobMetadata", f"The RayJob metadata is invalid: {problem}")
    if not (spec.get("clusterSelector") or {}).get(k.CLUSTER_LABEL):
        problem = "the local KubeRay runs a RayJob only on an existing RayCluster: set clusterSelector"
    elif mode not in {"K8sJobMode", "HTTPMode"} or (mode == "K8sJobMode" and not spec.get("submitterPodTemplate")):
        problem = "the local KubeRay knows submissionMode HTTPMode, and K8sJobMode with a submitterPodTemplate"
    elif spec.get("suspend"):
        problem = "the ClusterSelector mode doesn't support the suspend operation"
    elif spec.get("backoffLimit"):
        problem = "BackoffLimit is incompatible with ClusterSelector mode"
    else:
        return
    raise RefusedError("InvalidRayJobSpec", f"The RayJob spec is invalid: {problem}")
