"""CustomResourceDefinitions: defaults, conditions and rules."""

from __future__ import annotations

from mnist_local.apiserver import clock, tables
from mnist_local.apiserver.customresources import CLEANUP, TABLE, schema_of, schema_path
from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.kinds import Hooks
from mnist_local.apiserver.names import dns1035_label, dns_subdomain
from mnist_local.apiserver.schema import SchemaError
from mnist_local.apiserver.schema import errors as field
from mnist_local.apiserver.schema.errors import FieldError

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind", "")
    if not names.get("singular"):
        names["singular"] = kind.lower()
    if not names.get("listKind"):
        names["listKind"] = f"{kind}List"
    spec.setdefault("conversion", {"strategy": "None"})


def condition(kind: str, reason: str, message: str) -> Obj:
    """Return a condition that holds."""
    return {
        "type": kind,
        "status": "True",
        "lastTransitionTime": clock.now(),
        "reason": reason,
        "message": message,
    }


def _prepare_create(obj: Obj) -> None:
    spec = obj["spec"]
    obj["status"] = {
        "acceptedNames": spec["names"],
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "storedVersions": [version["name"] for version in spec.get("versions", ()) if version.get("storage")],
    }


def _prepare_update(obj: Obj, old: Obj) -> None:
    status = dict(old.get("status") or {})
    status["acceptedNames"] = obj["spec"]["names"]
    stored = list(status.get("storedVersions") or ())
    stored += [v["name"] for v in obj["spec"].get("versions", ()) if v.get("storage") and v["name"] not in stored]
    status["storedVersions"] = stored
    obj["status"] = status


def _begin_delete(obj: Obj) -> list[str]:
    message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    status = obj.setdefault("status", {})
    status["conditions"] = [
        *(c for c in status.get("conditions", ()) if c["type"] != "Terminating"),
        condition("Terminating", "InstanceDeletionPending", message),
    ]
    return [CLEANUP]


def _validate(obj: Obj, old: Obj | None) -> list[FieldError]:
    spec = obj["spec"]
    names = spec["names"]
    causes = _validate_names(obj["metadata"], spec)
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        causes.append(field.not_supported("spec.scope", spec.get("scope", ""), ("Cluster", "Namespaced")))
    versions = spec.get("versions") or []
    if sum(1 for version in versions if version.get("storage")) != 1:
        sentence = "must have exactly one version marked as storage version"
        causes.append(field.invalid("spec.versions", field.OMIT, sentence))
    for index, version in enumerate(versions):
        path = schema_path(obj, index)
        for text in dns1035_label(version.get("name", "")):
            causes.append(field.invalid(f"spec.versions[{index}].name", version.get("name"), text))
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            detail = "" if len(versions) == 1 else "schemas are required"
            causes.append(field.required(f"spec.versions[{index}].schema.openAPIV3Schema", detail))
            continue
        causes += _validate_columns(version, "spec." if len(versions) == 1 else f"spec.versions[{index}].")
        try:
            schema_of(version, path)
        except SchemaError as error:
            causes += error.errors
    if old is not None:
        former = old["spec"]
        for where, now, before in (
            ("spec.group", spec.get("group"), former["group"]),
            ("spec.names.plural", names.get("plural"), former["names"]["plural"]),
            ("spec.names.kind", names.get("kind"), former["names"]["kind"]),
            ("spec.scope", spec.get("scope"), former["scope"]),
        ):
            if now != before:
                causes.append(field.invalid(where, now, "field is immutable"))
    return causes


def _validate_columns(version: Obj, path: str) -> list[FieldError]:
    causes: list[FieldError] = []
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        where = f"{path}additionalPrinterColumns[{index}]"
        causes += [field.required(f"{where}.{name}") for name in ("name", "type") if not column.get(name)]
        if column.get("type") and column["type"] not in _COLUMN_TYPES:
            sentence = f"must be one of {','.join(_COLUMN_TYPES)}"
            causes.append(field.invalid(f"{where}.type", column["type"], sentence))
        json_path = column.get("jsonPath", "")
        if not json_path:
            causes.append(field.required(f"{where}.JSONPath"))
        elif not json_path.startswith("."):
            causes.append(field.invalid(f"{where}.JSONPath", json_path, "must be a simple json path starting with ."))
        else:
            try:
                tables.parse_path(json_path)
            except tables.PathError as error:
                causes.append(field.invalid(f"{where}.JSONPath", json_path, f"is an invalid path: {error}"))
    return causes


def _validate_names(metadata: Obj, spec: Obj) -> list[FieldError]:
    causes: list[FieldError] = []
    names, group = spec["names"], spec.get("group", "")
    wanted = f"{names.get('plural', '')}.{group}"
    if metadata.get("name") != wanted:
        sentence = 'must be spec.names.plural+"."+spec.group'
        causes.append(field.invalid("metadata.name", metadata.get("name"), sentence))
    if not group:
        causes.append(field.required("spec.group"))
    else:
        causes += [field.invalid("spec.group", group, text) for text in dns_subdomain(group)]
        if "." not in group:
            causes.append(field.invalid("spec.group", group, "should be a domain with at least one dot"))
    for name in ("plural", "singular", "kind", "listKind"):
        if not names.get(name):
            causes.append(field.required(f"spec.names.{name}"))
        else:
            value = names[name]
            text_of = value.lower() if name in ("kind", "listKind") else value
            causes += [field.invalid(f"spec.names.{name}", value, text) for text in dns1035_label(text_of)]
    if names.get("kind") and names["kind"] == names.get("listKind"):
        causes.append(field.invalid("spec.names.listKind", names["kind"], "kind and listKind may not be the same"))
    return causes


HOOKS = {
    TABLE: Hooks(
        default=_default,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        begin_delete=_begin_delete,
        validate=_validate,
    )
}
