"""From a decoded body to an object the engine takes: identity, unknown fields, defaults."""

from __future__ import annotations

import json
import re
from typing import Any

from mnist_local.apiserver.bodies import UndecodableError, go_type, unrecognized
from mnist_local.apiserver.call import Call
from mnist_local.apiserver.errors import ApiError, Obj, bad_request, invalid
from mnist_local.apiserver.kinds import hooks_of
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.rest.shape import clean_metadata
from mnist_local.apiserver.schema import Schema
from mnist_local.apiserver.schema import errors as fields
from mnist_local.apiserver.schemas import schema_for

_WRONG_TYPE = re.compile(r'must be of type ([\w-]+): "(\w*)')
_GO_TYPES = {"integer": "int64", "boolean": "bool", "number": "float64", "array": "[]", "object": "map"}
_JSON_TYPES = {"integer": "number", "boolean": "bool"}


def duplicate_fields(body: bytes) -> list[str]:
    """Return the paths of keys that stand twice in a JSON object, as `spec.size`; empty where it is not JSON."""
    found: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in items:
            if key in out:
                out.setdefault("\0twice", []).append(key)
            out[key] = value
        return out

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            found.extend(f"{path}{key}" for key in value.pop("\0twice", ()))
            for key, inner in value.items():
                walk(inner, f"{path}{key}.")
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                walk(inner, f"{path[:-1]}[{index}].")

    try:
        walk(json.loads(body, object_pairs_hook=pairs), "")
    except ValueError:
        return []
    return found


def accept(call: Call, obj: Obj, level: str, *, patched: bool = False, twice: list[str] | None = None) -> Obj:
    """Check version and kind, drop unknown fields, set defaults and convert to the stored version.

    `level` says what unknown fields are: Strict refuses them, Warn adds a warning for each.

    Raises:
        ApiError: 400 another kind or type, or unknown fields (422 where they come from a patch).
    """
    resource = call.resource
    if resource.custom and call.info.subresource == "status":
        # Everything else is taken from the stored object, so it need not be looked at.
        obj = {key: obj[key] for key in ("apiVersion", "kind", "metadata", "status") if key in obj}
    try:
        if resource.custom:
            require_type(resource, obj, call.body, patched)
        known = _fit(resource, obj)
        unknown = [f'duplicate field "{path}"' for path in twice or ()]
        unknown += [f'unknown field "{path}"' for path in known]
        if unknown and level == "Strict":
            raise UndecodableError("strict decoding error: " + ", ".join(unknown))
        if level == "Warn":
            call.warnings += unknown
        _check_type(resource, obj)
        if resource.to_storage is not None:
            obj = resource.to_storage(obj)
        hooks_of(resource).default(obj)
    except UndecodableError as error:
        raise _refusal(resource, obj, error.detail, patched) from None
    if resource.custom and resource.schema is not None:
        resource.schema.default(obj)
    return obj


def require_type(resource: Resource, obj: Obj, body: bytes, patched: bool) -> None:
    """Refuse an object that does not say what it is.

    Raises:
        ApiError: 400.
        UndecodableError: where it comes from a patch.
    """
    for name, key in (("Kind", "kind"), ("apiVersion", "apiVersion")):
        if not obj.get(key):
            text = fields.compact(obj) if patched else body.decode(errors="replace")
            why = f"Object '{name}' is missing in '{text}'"
            if patched:
                raise UndecodableError(why)
            raise unrecognized(resource.kind, why, body)


def check_kind(resource: Resource, obj: Obj, body: bytes) -> None:
    """Check that a configuration to apply names the version and kind it is for.

    Raises:
        ApiError: 400 or 422.
    """
    require_type(resource, obj, body, patched=False)
    _check_type(resource, obj)


def _fit(resource: Resource, obj: Obj) -> list[str]:
    """Make an object fit its type; returns the paths of unknown fields, which are dropped."""
    metadata = obj.setdefault("metadata", {})
    if metadata is None:
        metadata = obj["metadata"] = {}
    if not isinstance(metadata, dict):
        raise UndecodableError(
            f"json: cannot unmarshal {go_type(metadata)} into Go struct field {resource.kind}.metadata of type "
            "v1.ObjectMeta"
        )
    unknown = clean_metadata(obj, resource)
    schema = schema_for(resource)
    if schema is None:
        return unknown
    if not resource.custom:
        # Null is a zero value to Go's types, and goes before types are looked at.
        schema.default(obj)
        _check_types(resource, schema, obj)
    unknown += schema.prune(obj)
    return unknown


def _check_type(resource: Resource, obj: Obj) -> None:
    api_version = obj["apiVersion"] = obj.get("apiVersion") or resource.api_version
    kind = obj["kind"] = obj.get("kind") or resource.kind
    if api_version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    if kind == resource.kind:
        return
    if not resource.custom:
        wanted = f"{resource.group.partition('.')[0] or 'core'}.{resource.kind}"
        raise bad_request(
            f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f"converting ({resource.version}.{kind}) to ({wanted}): unknown conversion"
        )
    name = (obj.get("metadata") or {}).get("name", "")
    raise invalid(resource.group, str(kind), name, [fields.invalid("kind", kind, f"must be {resource.kind}")])


def _check_types(resource: Resource, schema: Schema, obj: Obj) -> None:
    """Refuse a built-in object whose fields have other JSON types than its Go type takes."""
    for error in schema.validate(obj):
        if error.reason == fields.TYPE_INVALID:
            raise UndecodableError(_go_sentence(resource, error.path, error.message))


def _go_sentence(resource: Resource, path: str, message: str) -> str:
    """Return a type error in the words of Go's decoder, which do not quote the value (it may be a secret)."""
    found = _WRONG_TYPE.search(message)
    if found is None or found[1] == "byte":
        return "illegal base64 data at input byte 0"
    want, got = _GO_TYPES.get(found[1], found[1]), _JSON_TYPES.get(found[2], found[2])
    where = re.sub(r"\[\d+\]", "", path)
    return f"json: cannot unmarshal {got} into Go struct field {resource.kind}.{where} of type {want}"


def _refusal(resource: Resource, obj: Obj, detail: str, patched: bool) -> ApiError:
    if patched:
        return invalid("", "", "", [fields.invalid("patch", fields.compact(obj), detail)])
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {detail}'
    )


def check_identity(call: Call, obj: Obj) -> None:
    """Check the name and namespace of the body against the path; an empty namespace is the path's.

    Raises:
        ApiError: 400, they differ.
    """
    info, metadata = call.info, obj["metadata"]
    if info.name and info.verb != "create":
        name = metadata.get("name")
        if not name:
            raise bad_request(
                f"the name of the object ({info.name} based on URL) was undeterminable: name must be provided"
            )
        if name != info.name:
            raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({info.name})")
    wanted = info.namespace if call.resource.namespaced else ""
    namespace = metadata.get("namespace")
    if namespace and namespace != wanted:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if wanted:
        metadata["namespace"] = wanted
