"""Objects that change what the server does: CustomResourceDefinitions and ValidatingAdmissionPolicies."""

from __future__ import annotations

from collections.abc import Iterator

from mnist_kube.times import timestamp
from mnist_local.apiserver import tables
from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.kinds import ADMISSION, CLEANUP, DEFINITIONS, Hooks, schema_of
from mnist_local.apiserver.schema import SchemaError
from mnist_local.apiserver.schema import errors as field
from mnist_local.apiserver.schema.cel import CompileError, Program
from mnist_local.apiserver.schema.errors import FieldError


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


def _validate_definition(obj: Obj, old: Obj | None) -> list[FieldError]:
    spec = obj["spec"]
    causes: list[FieldError] = []
    if (name := obj["metadata"].get("name")) != f"{spec['names'].get('plural', '')}.{spec.get('group', '')}":
        causes.append(field.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    versions = spec.get("versions") or []
    if len(versions) != 1 or not (versions[0].get("served") and versions[0].get("storage")):
        sentence = "must have exactly one version marked as storage version; the local API server serves no other"
        return [*causes, field.invalid("spec.versions", field.OMIT, sentence)]
    if not (versions[0].get("schema") or {}).get("openAPIV3Schema"):
        return [*causes, field.required("spec.versions[0].schema.openAPIV3Schema", "schemas are required")]
    causes += _validate_columns(versions[0], "spec.versions[0].additionalPrinterColumns")
    try:
        schema_of(versions[0])
    except SchemaError as error:
        causes += error.errors
    return causes


def _validate_columns(version: Obj, path: str) -> Iterator[FieldError]:
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        try:
            tables.parse_path(column.get("jsonPath", ""))
        except tables.PathError as error:
            sentence = f"must be a simple json path starting with .: {error}"
            yield field.invalid(f"{path}[{index}].jsonPath", column.get("jsonPath"), sentence)


def _validate_policy(obj: Obj, old: Obj | None) -> list[FieldError]:
    causes: list[FieldError] = []
    for name in ("matchConditions", "validations"):
        for index, item in enumerate(obj["spec"].get(name) or ()):
            expression = item.get("expression", "")
            try:
                Program.compile(expression)
            except CompileError as error:
                path = f"spec.{name}[{index}].expression"
                causes.append(field.invalid(path, expression, f"compilation failed: {error}"))
    return causes


HOOKS = {
    DEFINITIONS: Hooks(
        default=_default_definition, prepare_create=_new_definition, prepare_update=_changed_definition,
        begin_delete=lambda obj: [CLEANUP], validate=_validate_definition,
    ),
    f"validatingadmissionpolicies.{ADMISSION}": Hooks(validate=_validate_policy),
}  # fmt: skip
