"""Names that KubeRay and its users share: labels, annotations, ports, variables, and those that it makes up."""

import random

from mnist_kube.objects import Object

CLUSTER_LABEL = "ray.io/cluster"
NODE_TYPE_LABEL = "ray.io/node-type"
GROUP_LABEL = "ray.io/group"
IS_RAY_NODE_LABEL = "ray.io/is-ray-node"
IDENTIFIER_LABEL = "ray.io/identifier"
REPLICA_INDEX_LABEL = "ray.io/worker-group-replica-index"
ORIGIN_NAME_LABEL = "ray.io/originated-from-cr-name"
ORIGIN_KIND_LABEL = "ray.io/originated-from-crd"
APPLICATION_NAME_LABEL = "app.kubernetes.io/name"
CREATED_BY_LABEL = "app.kubernetes.io/created-by"
APPLICATION_NAME = "kuberay"
COMPONENT_NAME = "kuberay-operator"
FT_ENABLED_ANNOTATION = "ray.io/ft-enabled"
KUBERAY_VERSION_ANNOTATION = "ray.io/kuberay-version"
KUBERAY_VERSION = "v1.7.0"
RAYJOB_FINALIZER = "ray.io/rayjob-finalizer"

NODE_NAME = "local"
HEAD = "head"
WORKER = "worker"
HEAD_GROUP = "headgroup"
WAIT_FOR_GCS = "wait-gcs-ready"
SUBMITTER_CONTAINER = "ray-job-submitter"
SHARED_MEMORY_VOLUME = "shared-mem"

AUTH_TOKEN_KEY = "auth_token"  # noqa: S105 - the name of a key in a Secret
START_COMMAND_VARIABLE = "KUBERAY_GEN_RAY_START_CMD"

CLUSTER_DOMAIN = "cluster.local"
PORTS = {"client": 10001, "dashboard": 8265, "gcs-server": 6379, "metrics": 8080, "serve": 8000}
DASHBOARD_AGENT_PORT = 52365

MAX_RAYCLUSTER_NAME = 53
MAX_RAYJOB_NAME = 47
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # Kubernetes' own for generated names: no vowels, no look-alikes
_SUFFIX_LENGTH = 5
_MAX_PREFIX = 50


def suffix() -> str:
    """Five random characters, as Kubernetes appends to a generateName."""
    return "".join(random.choices(_ALPHABET, k=_SUFFIX_LENGTH))


def pod_prefix(cluster: str, group: str | None) -> str:
    """The generateName of a head pod (group None) or of a worker pod of a group."""
    owner = cluster if group is None else f"{cluster}-{group}"
    return f"{owner[:_MAX_PREFIX]}-{HEAD if group is None else WORKER}-".lower()


def auth_secret(cluster: Object) -> str:
    """Secret that holds a cluster's token, named after the cluster."""
    name: str = cluster["metadata"]["name"][-_MAX_PREFIX:]
    return name if name[0].isalpha() else f"r{name[1:]}"


def uses_token(cluster: Object) -> bool:
    """Whether the cluster asks for token authentication."""
    return bool((cluster["spec"].get("authOptions") or {}).get("mode") == "token")


def head_service(cluster: Object) -> str:
    """Name of a cluster's head Service, as KubeRay chooses it."""
    return f"{cluster['metadata']['name']}-head-svc"


def head_service_domain(cluster: Object) -> str:
    """Fully qualified domain name of a cluster's head Service."""
    return f"{head_service(cluster)}.{cluster['metadata']['namespace']}.svc.{CLUSTER_DOMAIN}"
