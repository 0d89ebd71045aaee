"""Names of what KubeRay makes."""

import random

from mnist_local.kuberay import constants as k
from mnist_local.kuberay.json_types import Json

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # Kubernetes' own for generated names: no vowels, no look-alikes
_SUFFIX_LENGTH = 5
_MAX_PREFIX = 50
_MAX_LABEL = 63


def suffix() -> str:
    """Five random characters, as Kubernetes appends to a generateName."""
    return "".join(random.choices(_ALPHABET, k=_SUFFIX_LENGTH))


def pod_prefix(cluster: str, group: str | None) -> str:
    """The generateName of a head pod (group None) or of a worker pod of a group."""
    owner = cluster if group is None else f"{cluster}-{group}"
    return f"{owner[:_MAX_PREFIX]}-{k.HEAD if group is None else k.WORKER}-".lower()


def auth_secret(cluster: Json) -> str:
    """Secret that holds a cluster's token: the one that the spec names, else one named after the cluster."""
    configured = (cluster["spec"].get("authOptions") or {}).get("secretName")
    if configured:
        return str(configured)
    name: str = cluster["metadata"]["name"][-_MAX_PREFIX:]
    return name if name[0].isalpha() else f"r{name[1:]}"


def label_value(text: str) -> str:
    """The last 63 characters, never beginning with punctuation."""
    value = text[-_MAX_LABEL:]
    return value if value[0].isalnum() else f"r{value[1:]}"


def head_service(cluster: Json) -> str:
    """Name of a cluster's head Service."""
    given = ((cluster["spec"]["headGroupSpec"].get("headService") or {}).get("metadata") or {}).get("name")
    return str(given or f"{cluster['metadata']['name']}-head-svc")


def head_service_domain(cluster: Json) -> str:
    """Fully qualified domain name of a cluster's head Service."""
    return f"{head_service(cluster)}.{cluster['metadata']['namespace']}.svc.{k.CLUSTER_DOMAIN}"
