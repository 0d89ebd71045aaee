"""What a fresh cluster holds: system namespaces, and the roles of people as far as they concern what is served here."""

from __future__ import annotations

from mnist_local.apiserver.engine import Engine
from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.kinds import RBAC
from mnist_local.apiserver.rbac import Rule
from mnist_local.apiserver.request import Write

_READ = ["get", "list", "watch"]
_CHANGE = ["create", "delete", "deletecollection", "patch", "update"]
_AGGREGATE = f"{RBAC}/aggregate-to-"


def _rule(groups: str, resources: str, verbs: list[str]) -> Rule:
    return {"apiGroups": groups.split(","), "resources": resources.split(), "verbs": verbs}


_CONTENT = "configmaps persistentvolumeclaims pods serviceaccounts services"
_RULES: dict[str, list[Rule]] = {
    "cluster-admin": [_rule("*", "*", ["*"]), {"nonResourceURLs": ["*"], "verbs": ["*"]}],
    "system:aggregate-to-admin": [_rule(RBAC, "rolebindings roles", _READ + _CHANGE)],
    "system:aggregate-to-edit": [
        _rule("", "secrets", _READ), _rule("", f"{_CONTENT} secrets", _CHANGE),
        _rule("", "serviceaccounts/token", ["create"]),
        _rule(",events.k8s.io", "events", _CHANGE), _rule("apps,batch", "deployments jobs", _CHANGE),
        _rule("policy,networking.k8s.io", "poddisruptionbudgets networkpolicies", _CHANGE),
        _rule("coordination.k8s.io", "leases", _READ + _CHANGE),
    ],
    "system:aggregate-to-view": [
        _rule("", f"{_CONTENT} pods/log pods/status namespaces", _READ), _rule(",events.k8s.io", "events", _READ),
        _rule("apps,batch", "deployments deployments/status jobs jobs/status", _READ),
        _rule("policy,networking.k8s.io", "poddisruptionbudgets networkpolicies", _READ),
    ],
    "system:basic-user": [_rule("authorization.k8s.io", "selfsubjectaccessreviews", ["create"])],
    "system:discovery": [
        {"nonResourceURLs": ["/api*", "/healthz", "/livez", "/openapi*", "/readyz", "/version"], "verbs": ["get"]}
    ],
}  # fmt: skip
# The aggregated roles feed each other: edit holds view, admin holds edit.
_FEEDS = {f"system:aggregate-to-{role}": role for role in ("admin", "edit", "view")} | {"edit": "admin", "view": "edit"}
_BINDINGS = {
    "cluster-admin": "system:masters",
    "system:basic-user": "system:authenticated",
    "system:discovery": "system:authenticated",
}


def populate(engine: Engine) -> None:
    """Make the system namespaces and the roles of every cluster where they are not there."""
    for name in ("default", "kube-node-lease", "kube-public", "kube-system"):
        _create(engine, "", "namespaces", name, {})
    for name, rules in _RULES.items():
        _create(engine, RBAC, "clusterroles", name, {"rules": rules})
    for name in ("admin", "edit", "view"):
        selector = {"matchLabels": {_AGGREGATE + name: "true"}}
        rule = {"aggregationRule": {"clusterRoleSelectors": [selector]}, "rules": []}
        _create(engine, RBAC, "clusterroles", name, rule)
    for name, group in _BINDINGS.items():
        binding = {
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": group}],
        }
        _create(engine, RBAC, "clusterrolebindings", name, binding)


def _create(engine: Engine, group: str, plural: str, name: str, content: Obj) -> None:
    resource = engine.registry.require(group, plural)
    labels = {_AGGREGATE + _FEEDS[name]: "true"} if plural == "clusterroles" and name in _FEEDS else {}
    if engine.table(resource).get("", name) is None:  # a store that was restored has it
        engine.create(Write(resource, "", name), {"metadata": {"name": name, "labels": labels}, **content})
