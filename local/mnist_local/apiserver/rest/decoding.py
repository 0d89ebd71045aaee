"""From a decoded body to an object the engine takes: identity, unknown fields, defaults."""

from __future__ import annotations

import json
from typing import Any

from mnist_local.apiserver.call import Call
from mnist_local.apiserver.errors import ApiError, Obj, bad_request, invalid
from mnist_local.apiserver.kinds import hooks_of
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.rest.shape import clean_metadata
from mnist_local.apiserver.schema import errors as fields
from mnist_local.apiserver.schema import gojson

_SHOWN = 20
_TYPES = {"object": "object", "array": "array", "string": "string", "integer": "number", "boolean": "bool"}


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
            for key in value.pop("\0twice", ()):
                found.append(f"{path}{key}")
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
    _check_type(resource, obj, call.body)
    metadata = obj.setdefault("metadata", {})
    if metadata is None:
        metadata = obj["metadata"] = {}
    if not isinstance(metadata, dict):
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: json: cannot '
            f"unmarshal {gojson_type(metadata)} into Go struct field {resource.kind}.metadata of type v1.ObjectMeta"
        )
    unknown = [f'duplicate field "{path}"' for path in twice or ()]
    unknown += [f'unknown field "{path}"' for path in clean_metadata(obj, resource)]
    if resource.schema is not None:
        if not resource.custom:
            _check_types(resource, obj)
        unknown += [f'unknown field "{path}"' for path in resource.schema.prune(obj)]
    if unknown and level == "Strict":
        raise _strict(resource, obj, unknown, patched)
    if level == "Warn":
        call.warnings += unknown
    if resource.to_storage is not None:
        obj = resource.to_storage(obj)
    hooks_of(resource.table_name).default(obj)
    if resource.schema is not None:
        resource.schema.default(obj)
    return obj


def gojson_type(value: Any) -> str:
    """Return what Go's decoder calls a JSON value."""
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _check_type(resource: Resource, obj: Obj, body: bytes) -> None:
    if resource.custom:
        for field, name in (("apiVersion", "apiVersion"), ("kind", "Kind")):
            if not obj.get(field):
                text = body.decode(errors="replace")
                shown = text[:_SHOWN] + (" ..." if len(text) > _SHOWN else "")
                raise bad_request(
                    f"the object provided is unrecognized (must be of type {resource.kind}): "
                    f"Object '{name}' is missing in '{text}' ({shown})"
                )
    api_version = obj.setdefault("apiVersion", resource.api_version) or resource.api_version
    kind = obj.setdefault("kind", resource.kind) or resource.kind
    obj["apiVersion"], obj["kind"] = api_version, kind
    if kind != resource.kind and not resource.custom:
        raise bad_request(
            f'{kind} in version "{api_version.rpartition("/")[2]}" cannot be handled as a {resource.kind}: '
            f"unknown conversion"
        )
    if api_version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    if kind != resource.kind:
        name = (obj.get("metadata") or {}).get("name", "")
        raise invalid(resource.group, str(kind), name, [fields.invalid("kind", kind, f"must be {resource.kind}")])


def _check_types(resource: Resource, obj: Obj) -> None:
    """Refuse a built-in object whose fields have other JSON types than its Go type takes."""
    for error in resource.schema.validate(obj):
        if error.reason == fields.TYPE_INVALID:
            raise bad_request(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
                f"json: cannot unmarshal {error.message} into Go struct field {resource.kind}.{error.path}"
            )


def _strict(resource: Resource, obj: Obj, unknown: list[str], patched: bool) -> ApiError:
    sentence = "strict decoding error: " + ", ".join(unknown)
    if not patched:
        return bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {sentence}'
        )
    cause = fields.invalid("patch", gojson.marshal(obj), sentence)
    return invalid("", "", "", [cause])


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
