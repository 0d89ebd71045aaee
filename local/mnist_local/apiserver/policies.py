"""ValidatingAdmissionPolicies, as far as the product's own guard of the status needs them.

A write is compared with the `resourceRules` of each bound policy and with the selectors of both; `matchConditions` and
`validations` are CEL. A policy that uses what is not served here (parameters, variables) counts as one that fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from mnist_local.apiserver.errors import Obj, forbidden
from mnist_local.apiserver.kinds import ADMISSION
from mnist_local.apiserver.rbac import among
from mnist_local.apiserver.request import Write
from mnist_local.apiserver.schema.cel import CelError, Program
from mnist_local.apiserver.selectors import matches as labels_match
from mnist_local.apiserver.store import Store

_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413}
"""By the reason that a validation gives; any other is 422."""
_NOT_SERVED = ("paramKind", "variables")

_program = lru_cache(maxsize=2048)(Program.compile)
"""Expressions are few and run at every write."""


class Policies:
    """Asks every bound policy, and refuses or warns."""

    def __init__(self, store: Store) -> None:
        self._policies = store.table(f"validatingadmissionpolicies.{ADMISSION}")
        self._bindings = store.table(f"validatingadmissionpolicybindings.{ADMISSION}")
        self._namespaces = store.table("namespaces")

    def check(self, write: Write, obj: Obj | None, old: Obj | None) -> None:
        """Refuse what a policy with the action Deny has something against; `obj` is None on delete, `old` on create.

        Raises:
            ApiError: with the code of the validation's reason.
        """
        # Policies are not about policies: a wrong one could never be mended.
        if not self._bindings.objects or write.resource.group == ADMISSION:
            return
        operation = "DELETE" if obj is None else "CREATE" if old is None else "UPDATE"
        entry = self._namespaces.get("", write.namespace)
        namespace = entry.obj if entry is not None else None
        for entry in self._bindings.select(None):
            binding, found = entry.obj, self._policies.get("", entry.obj["spec"].get("policyName", ""))
            if found is None:
                continue
            constraints = (found.obj["spec"].get("matchConstraints") or {}, binding["spec"].get("matchResources") or {})
            if all(_matches(one, operation, write, namespace, obj, old) for one in constraints):
                seen = _seen(operation, write, namespace, obj, old)
                for message, reason in _failures(found.obj["spec"], seen):
                    _act(write, obj or old or {}, found.key[1], binding, message, reason)


def _act(write: Write, obj: Obj, policy: str, binding: Obj, message: str, reason: str) -> None:
    who = f"ValidatingAdmissionPolicy '{policy}' with binding '{binding['metadata']['name']}'"
    actions = binding["spec"].get("validationActions") or ()
    if "Warn" in actions:
        write.warnings.append(f"Validation failed for {who}: {message}")
    if "Deny" in actions:
        name = write.name or obj["metadata"].get("name", "")
        error = forbidden(write.resource.group, write.resource.plural, name, f"{who} denied request: {message}")
        error.reason, error.code = reason, _CODES.get(reason, 422)
        raise error


def _matches(
    constraints: Obj, operation: str, write: Write, namespace: Obj | None, obj: Obj | None, old: Obj | None
) -> bool:
    selector = constraints.get("namespaceSelector")
    if selector and namespace is not None and not labels_match(selector, namespace["metadata"].get("labels") or {}):
        return False
    selector = constraints.get("objectSelector")
    if selector and not any(labels_match(selector, one["metadata"].get("labels") or {}) for one in (obj, old) if one):
        return False
    rules = constraints.get("resourceRules")
    return not rules or any(_rule_matches(rule, operation, write) for rule in rules)


def _rule_matches(rule: Obj, operation: str, write: Write) -> bool:
    def named(entry: str) -> bool:
        plural, _, subresource = entry.partition("/")
        return plural in ("*", write.resource.plural) and subresource in ("*", write.subresource)

    return (
        among(operation, rule.get("operations") or ())
        and among(write.resource.group, rule.get("apiGroups") or ())
        and among(write.resource.version, rule.get("apiVersions") or ())
        and any(named(entry) for entry in rule.get("resources") or ())
        and (not rule.get("resourceNames") or write.name in rule["resourceNames"])
    )


def _seen(operation: str, write: Write, namespace: Obj | None, obj: Obj | None, old: Obj | None) -> dict[str, Any]:
    resource, user = write.resource, write.user
    request = {
        "kind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "resource": {"group": resource.group, "version": resource.version, "resource": resource.plural},
        "subResource": write.subresource, "operation": operation, "dryRun": write.dry_run,
        "name": write.name or ((obj or {}).get("metadata") or {}).get("name", ""), "namespace": write.namespace,
        "userInfo": {"username": user.name, "uid": user.uid, "groups": list(user.groups)},
    }  # fmt: skip
    return {"object": obj, "oldObject": old, "request": request, "namespaceObject": namespace}


def _failures(spec: Obj, seen: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (message, reason) of what a policy has against a write.

    An expression that fails counts as a validation that does not hold, unless `failurePolicy` is Ignore.
    """
    ignore = spec.get("failurePolicy") == "Ignore"
    if unserved := [name for name in _NOT_SERVED if spec.get(name)]:
        yield f"the local API server does not serve {', '.join(unserved)} of policies", "Invalid"
        return
    try:
        if not all(_program(c["expression"]).evaluate(seen) is True for c in spec.get("matchConditions") or ()):
            return
    except CelError as error:
        if not ignore:
            yield f"matchConditions: {error}", "Invalid"
        return
    for validation in spec.get("validations") or ():
        expression = validation["expression"]
        try:
            holds = _program(expression).evaluate(seen) is True
        except CelError as error:
            if not ignore:
                yield f"expression '{expression.strip()}' resulted in error: {error}", "Invalid"
            continue
        if not holds:
            message = validation.get("message") or f"failed expression: {expression.strip()}"
            yield message, validation.get("reason") or "Invalid"
