"""Objects that change what the server does: CustomResourceDefinitions and ValidatingAdmissionPolicies."""

from __future__ import annotations

from mnist_kube.times import timestamp
from mnist_local.apiserver import tables
from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.kinds import CLEANUP, DEFINITIONS, Hooks, schema_of, schema_path
from mnist_local.apiserver.objectmeta import dns1035_label
from mnist_local.apiserver.policies import REASONS
from mnist_local.apiserver.schema import SchemaError
from mnist_local.apiserver.schema import errors as field
from mnist_local.apiserver.schema.cel import CompileError, Program
from mnist_local.apiserver.schema.errors import FieldError

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_ACTIONS = ("Audit", "Deny", "Warn")
_ADMISSION = "admissionregistration.k8s.io"


def _default_definition(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    names["singular"] = names.get("singular") or names.get("kind", "").lower()
    names["listKind"] = names.get("listKind") or f"{names.get('kind', '')}List"
    spec.setdefault("conversion", {"strategy": "None"})


def _condition(kind: str, reason: str, message: str) -> Obj:
    return {
        "type": kind, "status": "True", "lastTransitionTime": timestamp(), "reason": reason, "message": message,
    }  # fmt: skip


def _new_definition(obj: Obj) -> None:
    obj["status"] = {
        "conditions": [
            _condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            _condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
    }
    _changed_definition(obj, obj)


def _changed_definition(obj: Obj, old: Obj) -> None:
    status = dict(old.get("status") or {})
    status["acceptedNames"] = obj["spec"]["names"]
    stored = [version["name"] for version in obj["spec"].get("versions", ()) if version.get("storage")]
    status["storedVersions"] = list(dict.fromkeys([*(status.get("storedVersions") or ()), *stored]))
    obj["status"] = status


def _ending_definition(obj: Obj) -> list[str]:
    message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    terminating = _condition("Terminating", "InstanceDeletionPending", message)
    status = obj.setdefault("status", {})
    status["conditions"] = [*(c for c in status.get("conditions", ()) if c["type"] != "Terminating"), terminating]
    return [CLEANUP]


def _validate_definition(obj: Obj, old: Obj | None) -> list[FieldError]:
    spec = obj["spec"]
    causes = _validate_names(obj)
    versions = spec.get("versions") or []
    if sum(1 for version in versions if version.get("storage")) != 1:
        sentence = "must have exactly one version marked as storage version"
        causes.append(field.invalid("spec.versions", field.OMIT, sentence))
    for index, version in enumerate(versions):
        path = schema_path(obj, index)
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            causes.append(field.required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required"))
            continue
        causes += _validate_columns(version, f"spec.versions[{index}].additionalPrinterColumns")
        try:
            schema_of(version, path)
        except SchemaError as error:
            causes += error.errors
    if old is not None:
        causes += [
            field.invalid(f"spec.{name}", spec.get(name), "field is immutable")
            for name in ("group", "scope")
            if spec.get(name) != old["spec"].get(name)
        ]
    return causes


def _validate_names(obj: Obj) -> list[FieldError]:
    causes: list[FieldError] = []
    spec, names = obj["spec"], obj["spec"]["names"]
    if obj["metadata"].get("name") != f"{names.get('plural', '')}.{spec.get('group', '')}":
        sentence = 'must be spec.names.plural+"."+spec.group'
        causes.append(field.invalid("metadata.name", obj["metadata"].get("name"), sentence))
    if "." not in spec.get("group", ""):
        causes.append(field.invalid("spec.group", spec.get("group"), "should be a domain with at least one dot"))
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        causes.append(field.not_supported("spec.scope", spec.get("scope", ""), ("Cluster", "Namespaced")))
    for name in ("plural", "kind"):
        value = names.get(name, "")
        causes += [field.invalid(f"spec.names.{name}", value, text) for text in dns1035_label(value.lower())]
    return causes


def _validate_columns(version: Obj, path: str) -> list[FieldError]:
    causes: list[FieldError] = []
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        where = f"{path}[{index}]"
        if column.get("type") not in _COLUMN_TYPES:
            causes.append(field.not_supported(f"{where}.type", column.get("type"), _COLUMN_TYPES))
        json_path = column.get("jsonPath", "")
        if not json_path.startswith("."):
            sentence = "must be a simple json path starting with ."
            causes.append(field.invalid(f"{where}.jsonPath", json_path, sentence))
            continue
        try:
            tables.parse_path(json_path)
        except tables.PathError as error:
            causes.append(field.invalid(f"{where}.jsonPath", json_path, f"is an invalid path: {error}"))
    return causes


def _validate_policy(obj: Obj, old: Obj | None) -> list[FieldError]:
    spec = obj["spec"]
    causes: list[FieldError] = []
    if not (spec.get("matchConstraints") or {}).get("resourceRules"):
        causes.append(field.required("spec.matchConstraints.resourceRules"))
    if not spec.get("validations"):
        causes.append(field.required("spec.validations", "must contain at least one item"))
    causes += [
        field.not_supported(f"spec.validations[{index}].reason", validation["reason"], sorted(REASONS))
        for index, validation in enumerate(spec.get("validations") or ())
        if validation.get("reason") and validation["reason"] not in REASONS
    ]
    for name in ("matchConditions", "validations"):
        for index, item in enumerate(spec.get(name) or ()):
            expression = item.get("expression", "")
            try:
                Program.compile(expression)
            except CompileError as error:
                path = f"spec.{name}[{index}].expression"
                causes.append(field.invalid(path, expression, f"compilation failed: {error}"))
    return causes


def _validate_binding(obj: Obj, old: Obj | None) -> list[FieldError]:
    spec = obj["spec"]
    causes = [field.required("spec.policyName")] if not spec.get("policyName") else []
    actions = spec.get("validationActions") or []
    if not actions:
        causes.append(field.required("spec.validationActions", "at least one validation action is required"))
    return causes + [
        field.not_supported(f"spec.validationActions[{index}]", action, _ACTIONS)
        for index, action in enumerate(actions)
        if action not in _ACTIONS
    ]


HOOKS = {
    DEFINITIONS: Hooks(
        default=_default_definition, prepare_create=_new_definition, prepare_update=_changed_definition,
        begin_delete=_ending_definition, validate=_validate_definition,
    ),
    f"validatingadmissionpolicies.{_ADMISSION}": Hooks(validate=_validate_policy),
    f"validatingadmissionpolicybindings.{_ADMISSION}": Hooks(validate=_validate_binding),
}  # fmt: skip
