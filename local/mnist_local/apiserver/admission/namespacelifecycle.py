"""Nothing is made in a namespace that is missing or on its way out, and some namespaces stay."""

from __future__ import annotations

from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import forbidden, not_found
from mnist_local.apiserver.rest.admission import Attributes, Plugin

_IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


def lifecycle(ctx: Context) -> Plugin:
    """Return the plugin over a server's namespaces."""
    table = ctx.store.table("namespaces")

    def admit(attributes: Attributes) -> None:
        resource = attributes.resource
        if attributes.operation == "DELETE":
            if resource.table_name == "namespaces" and attributes.name in _IMMORTAL:
                raise forbidden("", "namespaces", attributes.name, "this namespace may not be deleted")
            return
        if attributes.operation != "CREATE" or not resource.namespaced:
            return
        namespace = attributes.namespace
        entry = table.get("", namespace)
        if entry is None:
            raise not_found("", "namespaces", namespace)
        if "deletionTimestamp" in entry.obj["metadata"]:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            error = forbidden(resource.group, resource.plural, attributes.name, why)
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
            assert error.details is not None
            error.details["causes"] = [cause]
            raise error

    return admit
