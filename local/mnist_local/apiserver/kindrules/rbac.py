"""Roles and bindings: defaults and rules of form. What may be granted is admission's business."""

from __future__ import annotations

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.kinds import Hooks
from mnist_local.apiserver.rbac import BINDINGS, CLUSTER_BINDINGS, CLUSTER_ROLES, ROLES
from mnist_local.apiserver.schema import errors as field
from mnist_local.apiserver.schema.errors import FieldError

GROUP = "rbac.authorization.k8s.io"


def _default_binding(obj: Obj) -> None:
    reference = obj.get("roleRef")
    if isinstance(reference, dict) and not reference.get("apiGroup"):
        reference["apiGroup"] = GROUP
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
            subject["apiGroup"] = GROUP


def _default_role(obj: Obj) -> None:
    if obj.get("rules") is None:
        obj["rules"] = []


def _validate_role(obj: Obj, _old: Obj | None) -> list[FieldError]:
    causes: list[FieldError] = []
    cluster = "namespace" not in obj["metadata"]
    for index, rule in enumerate(obj.get("rules") or ()):
        where = f"rules[{index}]"
        if not rule.get("verbs"):
            causes.append(field.required(f"{where}.verbs", "verbs must contain at least one value"))
        if urls := rule.get("nonResourceURLs"):
            if not cluster:
                sentence = "namespaced rules cannot apply to non-resource URLs"
                causes.append(field.invalid(f"{where}.nonResourceURLs", urls, sentence))
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                sentence = "rules cannot apply to both regular resources and non-resource URLs"
                causes.append(field.invalid(f"{where}.nonResourceURLs", urls, sentence))
            continue
        if not rule.get("apiGroups"):
            causes.append(field.required(f"{where}.apiGroups", "resource rules must supply at least one api group"))
        if not rule.get("resources"):
            causes.append(field.required(f"{where}.resources", "resource rules must supply at least one resource"))
    return causes


def _validate_binding(obj: Obj, old: Obj | None) -> list[FieldError]:
    causes: list[FieldError] = []
    reference = obj.get("roleRef") or {}
    kinds = ("ClusterRole",) if "namespace" not in obj["metadata"] else ("Role", "ClusterRole")
    if reference.get("apiGroup") != GROUP:
        causes.append(field.not_supported("roleRef.apiGroup", reference.get("apiGroup", ""), (GROUP,)))
    if reference.get("kind") not in kinds:
        causes.append(field.not_supported("roleRef.kind", reference.get("kind", ""), kinds))
    if not reference.get("name"):
        causes.append(field.required("roleRef.name"))
    for index, subject in enumerate(obj.get("subjects") or ()):
        where = f"subjects[{index}]"
        if not subject.get("name"):
            causes.append(field.required(f"{where}.name"))
        kind = subject.get("kind")
        if kind not in ("User", "Group", "ServiceAccount"):
            causes.append(field.not_supported(f"{where}.kind", kind, ("ServiceAccount", "User", "Group")))
        if kind == "ServiceAccount" and not subject.get("namespace"):
            causes.append(field.required(f"{where}.namespace"))
    if old is not None and reference != old.get("roleRef"):
        causes.append(field.invalid("roleRef", reference, "cannot change roleRef"))
    return causes


_ROLE = Hooks(default=_default_role, validate=_validate_role)
_BINDING = Hooks(default=_default_binding, validate=_validate_binding)
HOOKS = {ROLES: _ROLE, CLUSTER_ROLES: _ROLE, BINDINGS: _BINDING, CLUSTER_BINDINGS: _BINDING}
