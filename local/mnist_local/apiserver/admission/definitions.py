"""No new custom objects while their definition is being deleted."""

from __future__ import annotations

from mnist_local.apiserver.context import Context
from mnist_local.apiserver.customresources import TABLE
from mnist_local.apiserver.errors import forbidden
from mnist_local.apiserver.rest.admission import Attributes, Plugin


def terminating(ctx: Context) -> Plugin:
    """Return the plugin over a server's definitions."""

    def admit(attributes: Attributes) -> None:
        resource = attributes.resource
        if attributes.operation != "CREATE" or not resource.custom:
            return
        entry = ctx.store.table(TABLE).get("", resource.table_name)
        if entry is not None and "deletionTimestamp" in entry.obj["metadata"]:
            why = "create not allowed while custom resource definition is terminating"
            raise forbidden(resource.group, resource.plural, attributes.name, why)

    return admit
