"""The admission plugin: asks every bound policy, and refuses or warns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mnist_local.apiserver.admission.policies.matching import matches
from mnist_local.apiserver.admission.policies.verdict import REASONS, Failure, failures
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import ApiError, Obj, forbidden
from mnist_local.apiserver.rest.admission import Attributes, Plugin

GROUP = "admissionregistration.k8s.io"
POLICIES = f"validatingadmissionpolicies.{GROUP}"
BINDINGS = f"validatingadmissionpolicybindings.{GROUP}"


def validating_policies(ctx: Context) -> Plugin:
    """Return the plugin over a server's policies.

    Left out, and treated as an expression that fails: parameters (`paramKind`) and the `authorizer` variable.
    """
    bindings = ctx.store.table(BINDINGS)

    def admit(attributes: Attributes) -> None:
        # Policies are not about policies: a wrong one could never be mended.
        if not bindings.objects or attributes.resource.group == GROUP:
            return
        namespace = _namespace(ctx, attributes)
        labels = (namespace["metadata"].get("labels") or {}) if namespace else None
        for binding, policy in _bound(ctx, attributes, labels):
            for failure in failures(policy, _seen(attributes, namespace)):
                _act(attributes, policy["metadata"]["name"], binding, failure)

    return admit


def _bound(ctx: Context, attributes: Attributes, labels: dict[str, str] | None) -> Iterator[tuple[Obj, Obj]]:
    policies = ctx.store.table(POLICIES)
    for entry in ctx.store.table(BINDINGS).select(None):
        binding = entry.obj
        found = policies.get("", binding["spec"]["policyName"])
        if found is None:
            continue
        rules = (found.obj["spec"].get("matchConstraints") or {}, binding["spec"].get("matchResources") or {})
        if all(matches(rule, attributes, labels) for rule in rules):
            yield binding, found.obj


def _act(attributes: Attributes, policy: str, binding: Obj, failure: Failure) -> None:
    name, actions = binding["metadata"]["name"], binding["spec"].get("validationActions") or ()
    if "Warn" in actions:
        who = f"Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{name}'"
        attributes.warnings.append(f"{who}: {failure.message}")
    if "Deny" in actions:
        why = f"ValidatingAdmissionPolicy '{policy}' with binding '{name}' denied request: {failure.message}"
        raise _denied(attributes, why, failure.reason)


def _denied(attributes: Attributes, why: str, reason: str) -> ApiError:
    error = forbidden(attributes.resource.group, attributes.resource.plural, attributes.name, why)
    error.reason, error.code = reason, REASONS[reason]
    assert error.details is not None
    error.details["causes"] = [{"message": why}]
    return error


def _namespace(ctx: Context, attributes: Attributes) -> Obj | None:
    if attributes.resource.table_name == "namespaces":
        return attributes.obj or attributes.old
    entry = ctx.store.table("namespaces").get("", attributes.namespace) if attributes.namespace else None
    return entry.obj if entry is not None else None


def _seen(attributes: Attributes, namespace: Obj | None) -> dict[str, Any]:
    resource, user = attributes.resource, attributes.user
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    of = {"group": resource.group, "version": resource.version, "resource": resource.plural}
    request = {
        "kind": kind, "resource": of, "subResource": attributes.subresource,
        "requestKind": kind, "requestResource": of, "requestSubResource": attributes.subresource,
        "name": attributes.name, "namespace": attributes.namespace, "operation": attributes.operation,
        "userInfo": {
            "username": user.name, "uid": user.uid, "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra.items()},
        },
        "dryRun": attributes.dry_run,
    }  # fmt: skip
    return {
        "object": attributes.obj, "oldObject": attributes.old, "request": request,
        "namespaceObject": namespace, "params": None,
    }  # fmt: skip
