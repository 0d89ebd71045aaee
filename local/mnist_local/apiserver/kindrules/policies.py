"""ValidatingAdmissionPolicies and their bindings: defaults, and expressions that compile."""

from __future__ import annotations

from collections.abc import Iterator

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.kinds import Hooks
from mnist_local.apiserver.policies import REASONS
from mnist_local.apiserver.schema import errors as field
from mnist_local.apiserver.schema.cel import CompileError, Program
from mnist_local.apiserver.schema.errors import FieldError

_ACTIONS = ("Audit", "Deny", "Warn")


def _default_match(match: Obj) -> None:
    match.setdefault("matchPolicy", "Equivalent")
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    for name in ("resourceRules", "excludeResourceRules"):
        for rule in match.get(name) or ():
            rule.setdefault("scope", "*")


def _default_policy(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("failurePolicy", "Fail")
    if spec.get("matchConstraints"):
        _default_match(spec["matchConstraints"])


def _default_binding(obj: Obj) -> None:
    match = obj.setdefault("spec", {}).get("matchResources")
    if match:
        _default_match(match)


def _validate_policy(obj: Obj, _old: Obj | None) -> list[FieldError]:
    spec = obj["spec"]
    causes: list[FieldError] = []
    if not (spec.get("matchConstraints") or {}).get("resourceRules"):
        causes.append(field.required("spec.matchConstraints.resourceRules", ""))
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        why = "validations or auditAnnotations must contain at least one item"
        causes += [field.required("spec.validations", why), field.required("spec.auditAnnotations", why)]
    causes += [
        field.not_supported(f"spec.validations[{index}].reason", validation["reason"], sorted(REASONS))
        for index, validation in enumerate(spec.get("validations") or ())
        if validation.get("reason") and validation["reason"] not in REASONS
    ]
    return causes + [cause for path, text in _expressions(spec) if (cause := _compile(path, text))]


def _expressions(spec: Obj) -> Iterator[tuple[str, str]]:
    for name in ("variables", "matchConditions", "validations"):
        for index, item in enumerate(spec.get(name) or ()):
            path = f"spec.{name}[{index}]"
            yield f"{path}.expression", item.get("expression", "")
            if item.get("messageExpression"):
                yield f"{path}.messageExpression", item["messageExpression"]


def _compile(path: str, expression: str) -> FieldError | None:
    if not expression.strip():
        return field.required(path, "")
    try:
        Program.compile(expression)
    except CompileError as error:
        return field.invalid(path, expression, f"compilation failed: {error}")
    return None


def _validate_binding(obj: Obj, _old: Obj | None) -> list[FieldError]:
    spec = obj["spec"]
    causes: list[FieldError] = []
    if not spec.get("policyName"):
        causes.append(field.required("spec.policyName", ""))
    actions = spec.get("validationActions") or []
    if not actions:
        causes.append(field.required("spec.validationActions", "at least one validation action is required"))
    causes += [
        field.not_supported(f"spec.validationActions[{index}]", action, _ACTIONS)
        for index, action in enumerate(actions)
        if action not in _ACTIONS
    ]
    return causes


_GROUP = "admissionregistration.k8s.io"
HOOKS = {
    f"validatingadmissionpolicies.{_GROUP}": Hooks(default=_default_policy, validate=_validate_policy),
    f"validatingadmissionpolicybindings.{_GROUP}": Hooks(default=_default_binding, validate=_validate_binding),
}
