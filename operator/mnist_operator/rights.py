"""The operator's rights, each with its reason. The chart, the local environment and a test use this list."""

from __future__ import annotations

from typing import Any

from mnist_operator.api.names import GROUP, PLURAL

PolicyRule = dict[str, Any]


def _rule(group: str, resources: list[str], verbs: list[str]) -> PolicyRule:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


NAMESPACED_RULES: tuple[PolicyRule, ...] = (
    # Trainings: read them, write their status, delete those whose time to live is over.
    _rule(GROUP, [PLURAL], ["get", "list", "watch", "delete"]),
    _rule(GROUP, [f"{PLURAL}/status"], ["patch"]),
    # Needed where the API server checks who may block an owner's deletion (OpenShift does).
    _rule(GROUP, [f"{PLURAL}/finalizers"], ["update"]),
    _rule("ray.io", ["rayclusters", "rayjobs"], ["get", "list", "watch", "create", "patch", "delete"]),
    # Only by name: the Secret that a training names, and the one made from it.
    _rule("", ["secrets"], ["get", "create", "patch"]),
    # By name: the address that a load balancer gave to a head's Service.
    _rule("", ["services"], ["get"]),
    _rule("", ["serviceaccounts"], ["get", "create", "patch"]),
    _rule("rbac.authorization.k8s.io", ["roles", "rolebindings"], ["get", "create", "patch"]),
    # Tell of phases; read why a child does not come up.
    _rule("", ["events"], ["create", "list"]),
)
"""Rights in each namespace that is served: in a Role per namespace, or in the ClusterRole when all are served."""

OWN_NAMESPACE_RULES: tuple[PolicyRule, ...] = (
    # One active operator among several replicas.
    _rule("coordination.k8s.io", ["leases"], ["get", "create", "update"]),
)
"""Rights in the operator's own namespace."""

CLUSTER_RULES: tuple[PolicyRule, ...] = (
    # kopf notices KubeRay's CRDs when they are installed after the operator.
    _rule("apiextensions.k8s.io", ["customresourcedefinitions"], ["list", "watch"]),
)
"""Rights that make sense only in the whole cluster; without them the operator looks for KubeRay at its start."""
