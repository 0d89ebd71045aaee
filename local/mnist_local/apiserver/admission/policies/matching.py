"""Which writes a policy and its binding are about: `matchConstraints` and `matchResources`."""

from __future__ import annotations

from collections.abc import Sequence

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.labelselector import matches as labels_match
from mnist_local.apiserver.rest.admission import Attributes


def matches(constraints: Obj, attributes: Attributes, namespace_labels: dict[str, str] | None) -> bool:
    """Tell whether a write is one of those that `constraints` names.

    `namespace_labels` is None for a write outside of namespaces, which no namespaceSelector keeps away.
    """
    selector = constraints.get("namespaceSelector")
    if selector and namespace_labels is not None and not labels_match(selector, namespace_labels):
        return False
    selector = constraints.get("objectSelector")
    if selector and not any(labels_match(selector, _labels(obj)) for obj in (attributes.obj, attributes.old) if obj):
        return False
    if any(_rule_matches(rule, attributes) for rule in constraints.get("excludeResourceRules") or ()):
        return False
    rules = constraints.get("resourceRules")
    return not rules or any(_rule_matches(rule, attributes) for rule in rules)


def _labels(obj: Obj) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def _rule_matches(rule: Obj, attributes: Attributes) -> bool:
    resource = attributes.resource
    names = rule.get("resourceNames")
    return (
        _among(attributes.operation, rule.get("operations") or ())
        and _among(resource.group, rule.get("apiGroups") or ())
        and _among(resource.version, rule.get("apiVersions") or ())
        and rule.get("scope", "*") in ("*", "Namespaced" if resource.namespaced else "Cluster")
        and any(_names(entry, resource.plural, attributes.subresource) for entry in rule.get("resources") or ())
        and (not names or attributes.name in names)
    )


def _among(value: str, allowed: Sequence[str]) -> bool:
    return "*" in allowed or value in allowed


def _names(entry: str, plural: str, subresource: str) -> bool:
    wanted, _, wanted_sub = entry.partition("/")
    return wanted in ("*", plural) and wanted_sub in ("*", subresource)
