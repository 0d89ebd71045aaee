"""From a decoded body to an object the engine takes: identity, unknown fields, defaults."""

from __future__ import annotations

from mnist_local.apiserver import objectmeta
from mnist_local.apiserver.errors import Obj, UndecodableError, bad_request, invalid
from mnist_local.apiserver.kinds import hooks_of, schema_for
from mnist_local.apiserver.request import Call
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.schema import errors as fields

_LEVELS = ("Ignore", "Strict", "Warn")


def accept(call: Call, obj: Obj, *, patched: bool = False) -> Obj:
    """Check identity, version and kind, drop unknown fields, set defaults and convert to the stored version.

    The query's `fieldValidation` says what unknown fields are: Strict refuses them, Warn adds a warning for each.

    Raises:
        ApiError: 400, another object, kind or type, or unknown fields (422 where they come from a patch).
    """
    resource = call.resource
    level = call.choice("PatchOptions" if patched else "CreateOptions", "fieldValidation", _LEVELS, "Warn")
    if resource.custom and call.info.subresource == "status":
        # Everything else is taken from the stored object, so it need not be looked at.
        obj = {key: obj[key] for key in ("apiVersion", "kind", "metadata", "status") if key in obj}
    check_kind(resource, obj)
    try:
        unknown = [f'unknown field "{path}"' for path in _fit(resource, obj)]
        if unknown and level == "Strict":
            raise UndecodableError("strict decoding error: " + ", ".join(unknown))
        if level == "Warn":
            call.warnings += unknown
        if resource.to_storage is not None:
            obj = resource.to_storage(obj)
        hooks_of(resource).default(obj)
    except UndecodableError as error:
        if patched:
            raise invalid("", "", "", [fields.invalid("patch", fields.OMIT, error.detail)]) from None
        why = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {error.detail}'
        raise bad_request(why) from None
    if resource.custom and resource.schema is not None:
        resource.schema.default(obj)
    check_identity(call, obj["metadata"])
    return obj


def check_kind(resource: Resource, obj: Obj) -> None:
    """Check the version and kind that an object says it has; a built-in one need not say.

    Raises:
        ApiError: 400.
    """
    for name, value in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        if not obj.get(name) and resource.custom:
            raise bad_request(
                f"the object provided is unrecognized (must be of type {resource.kind}): {name} is missing"
            )
        if obj.setdefault(name, value) != value:
            raise bad_request(f"{name} {obj[name]!r} of the object cannot be handled as a {resource.kind} ({value!r})")


def _fit(resource: Resource, obj: Obj) -> list[str]:
    """Make an object fit its type; returns the paths of unknown fields, which are dropped."""
    unknown = objectmeta.clean(obj)
    schema = schema_for(resource)
    if schema is None:
        return unknown
    if not resource.custom:
        # Null is a zero value to Go's types, and goes before types are looked at.
        schema.default(obj)
        for error in schema.validate(obj):
            if error.reason == fields.TYPE_INVALID:
                # The path alone: the value may be a secret.
                raise UndecodableError(f"{error.path}: the value is of another type than the field")
    return unknown + schema.prune(obj)


def check_identity(call: Call, metadata: Obj) -> None:
    """Check the name and namespace of the body against the path; an empty namespace is the path's.

    Raises:
        ApiError: 400, they differ.
    """
    name, wanted = metadata.get("name", ""), call.info.name
    if wanted and name != wanted:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({wanted})")
    if metadata.get("namespace", call.namespace) != call.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if call.namespace:
        metadata["namespace"] = call.namespace
