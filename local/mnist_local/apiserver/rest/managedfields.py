"""Who owns which field: the bridge from the engine to the field manager.

Ownership is recorded at the version of the request, so views are converted back and forth around it.
"""

from __future__ import annotations

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.patch import TypedError, update_managed_fields
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.rest.engine import Finish
from mnist_local.apiserver.schemas import schema_for


def as_update(resource: Resource, manager: str, subresource: str) -> Finish | None:
    """Return the function that records an ordinary write in managedFields."""
    schema = schema_for(resource)
    if schema is None:
        return None
    view = resource.from_storage

    def finish(obj: Obj, old: Obj | None) -> Obj:
        seen, former = (obj, old) if view is None else (view(obj), None if old is None else view(old))
        try:
            managed = update_managed_fields(schema, former, seen, manager, subresource=subresource)
        except TypedError:
            # What does not fit its type is refused by validation, which says so better.
            return obj
        if managed:
            obj["metadata"]["managedFields"] = managed
        else:
            obj["metadata"].pop("managedFields", None)
        return obj

    return finish
