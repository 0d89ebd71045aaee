"""The roles and bindings every cluster starts with, as far as they concern what this server holds."""

from __future__ import annotations

from collections.abc import Iterator

from mnist_local.apiserver.auth.rules import Rule
from mnist_local.apiserver.errors import Obj

_READ = ["get", "list", "watch"]
_CHANGE = ["create", "delete", "deletecollection", "patch", "update"]
_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"


def _rule(groups: str, resources: str, verbs: list[str]) -> Rule:
    return {"apiGroups": groups.split(",") if groups else [""], "resources": resources.split(), "verbs": verbs}


def _paths(*urls: str) -> Rule:
    return {"nonResourceURLs": list(urls), "verbs": ["get"]}


_HEALTH = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_WORKLOADS = "daemonsets deployments deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale"

_RULES: dict[str, list[Rule]] = {
    "cluster-admin": [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ],
    "system:aggregate-to-admin": [
        _rule("authorization.k8s.io", "localsubjectaccessreviews", ["create"]),
        _rule("rbac.authorization.k8s.io", "rolebindings roles", sorted([*_READ, *_CHANGE])),
    ],
    "system:aggregate-to-edit": [
        _rule("", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy", _READ),
        _rule("", "serviceaccounts", ["impersonate"]),
        _rule("", "pods pods/attach pods/exec pods/portforward pods/proxy", _CHANGE),
        _rule("", "pods/eviction", ["create"]),
        _rule("", "configmaps persistentvolumeclaims secrets serviceaccounts services services/proxy", _CHANGE),
        _rule("", "serviceaccounts/token", ["create"]),
        _rule(",events.k8s.io", "events", _CHANGE),
        _rule("apps", _WORKLOADS, _CHANGE),
        _rule("batch", "cronjobs jobs", _CHANGE),
        _rule("policy", "poddisruptionbudgets", _CHANGE),
        _rule("networking.k8s.io", "ingresses networkpolicies", _CHANGE),
        _rule("coordination.k8s.io", "leases", sorted([*_READ, *_CHANGE])),
    ],
    "system:aggregate-to-view": [
        _rule(
            "",
            "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods serviceaccounts services "
            "services/status",
            _READ,
        ),
        _rule(
            "",
            "bindings limitranges namespaces/status pods/log pods/status resourcequotas resourcequotas/status",
            _READ,
        ),
        _rule("", "namespaces", _READ),
        _rule(",events.k8s.io", "events", _READ),
        _rule(
            "apps",
            f"{_WORKLOADS} daemonsets/status deployments/status replicasets/status statefulsets/status",
            _READ,
        ),
        _rule("batch", "cronjobs cronjobs/status jobs jobs/status", _READ),
        _rule("policy", "poddisruptionbudgets poddisruptionbudgets/status", _READ),
        _rule("networking.k8s.io", "ingresses ingresses/status networkpolicies", _READ),
    ],
    "system:auth-delegator": [
        _rule("authentication.k8s.io", "tokenreviews", ["create"]),
        _rule("authorization.k8s.io", "subjectaccessreviews", ["create"]),
    ],
    "system:basic-user": [
        _rule("authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews", ["create"]),
        _rule("authentication.k8s.io", "selfsubjectreviews", ["create"]),
    ],
    "system:discovery": [
        _paths(
            "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version",
            "/version/",
        )
    ],
    "system:public-info-viewer": [_paths(*_HEALTH)],
}  # fmt: skip
_AGGREGATED = {"admin": "admin", "edit": "edit", "view": "view"}
_FEEDS = {
    "system:aggregate-to-admin": ["admin"],
    "system:aggregate-to-edit": ["edit"],
    "system:aggregate-to-view": ["view"],
    # The aggregated roles feed each other: edit holds view, admin holds edit.
    "edit": ["admin"],
    "view": ["edit"],
}
_BINDINGS = {
    "cluster-admin": ["system:masters"],
    "system:basic-user": ["system:authenticated"],
    "system:discovery": ["system:authenticated"],
    "system:public-info-viewer": ["system:authenticated", "system:unauthenticated"],
}


def _metadata(name: str) -> Obj:
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    labels |= {f"{_AGGREGATE}{target}": "true" for target in _FEEDS.get(name, ())}
    return {
        "name": name,
        "labels": labels,
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
    }


def cluster_roles() -> Iterator[Obj]:
    """Yield the ClusterRoles; those that aggregate others start empty."""
    for name, rules in _RULES.items():
        yield {"metadata": _metadata(name), "rules": rules}
    for name, target in _AGGREGATED.items():
        selector = {"matchLabels": {f"{_AGGREGATE}{target}": "true"}}
        yield {"metadata": _metadata(name), "aggregationRule": {"clusterRoleSelectors": [selector]}, "rules": []}


def cluster_role_bindings() -> Iterator[Obj]:
    """Yield the ClusterRoleBindings."""
    for name, groups in _BINDINGS.items():
        yield {
            "metadata": _metadata(name),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group} for group in groups],
        }
