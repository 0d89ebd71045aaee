"""Nobody grants rights that they do not hold, unless `escalate` (roles) or `bind` (bindings) lets them."""

from __future__ import annotations

from mnist_local.apiserver.auth.authorizer import (
    BINDINGS,
    CLUSTER_BINDINGS,
    CLUSTER_ROLES,
    MASTERS,
    ROLES,
    Authorizer,
    Question,
)
from mnist_local.apiserver.auth.rules import Rule, compact, describe, uncovered
from mnist_local.apiserver.call import User
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import forbidden, not_found
from mnist_local.apiserver.rest.admission import Attributes, Plugin

_GROUP = "rbac.authorization.k8s.io"


def prevention(ctx: Context) -> Plugin:
    """Return the plugin over a server's roles and bindings."""
    authorizer = ctx.authorizer

    def admit(attributes: Attributes) -> None:
        table = attributes.resource.table_name
        if attributes.obj is None or MASTERS in attributes.user.groups:
            return
        if table in (ROLES, CLUSTER_ROLES):
            _check_role(authorizer, attributes)
        elif table in (BINDINGS, CLUSTER_BINDINGS):
            _check_binding(authorizer, attributes)

    return admit


def _check_role(authorizer: Authorizer, attributes: Attributes) -> None:
    obj, old = attributes.obj, attributes.old
    assert obj is not None
    rules = obj.get("rules") or []
    if (
        old is not None
        and rules == (old.get("rules") or [])
        and obj.get("aggregationRule") == old.get("aggregationRule")
    ):
        return
    plural, namespace = attributes.resource.plural, attributes.namespace
    ask = Question("escalate", _GROUP, plural, "", namespace, attributes.name)
    if authorizer.allowed(attributes.user, ask):
        return
    if obj.get("aggregationRule"):
        rules = [
            *rules,
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
            {"nonResourceURLs": ["*"], "verbs": ["*"]},
        ]
    _require_held(authorizer, attributes, rules)


def _check_binding(authorizer: Authorizer, attributes: Attributes) -> None:
    obj, old = attributes.obj, attributes.old
    assert obj is not None
    if old is not None and obj.get("subjects") == old.get("subjects") and obj["roleRef"] == old["roleRef"]:
        return
    reference = obj["roleRef"]
    cluster = reference["kind"] == "ClusterRole"
    plural = "clusterroles" if cluster else "roles"
    ask = Question("bind", _GROUP, plural, "", attributes.namespace, reference["name"])
    if authorizer.allowed(attributes.user, ask):
        return
    rules = authorizer.role_rules(obj)
    if rules is None:
        raise not_found(_GROUP, attributes.resource.plural, reference["name"])
    _require_held(authorizer, attributes, rules)


def _require_held(authorizer: Authorizer, attributes: Attributes, rules: list[Rule]) -> None:
    held = list(authorizer.rules_of(attributes.user, attributes.namespace))
    missing = sorted(describe(rule) for rule in compact(uncovered(held, rules)))
    if missing:
        why = (
            f"user {_shown(attributes.user)} is attempting to grant RBAC permissions not currently held:\n"
            + "\n".join(missing)
        )
        raise forbidden(_GROUP, attributes.resource.plural, attributes.name, why)


def _shown(user: User) -> str:
    groups = " ".join(f'"{group}"' for group in user.groups)
    return f'"{user.name}" (groups=[{groups}])'
