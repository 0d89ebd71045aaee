"""The schema of any resource: a custom one's from its definition, a built-in one's made on first use."""

from __future__ import annotations

from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.schema import Schema, builtin_schema


def schema_for(resource: Resource) -> Schema | None:
    """Return the schema that a resource's objects have at its version."""
    if resource.custom:
        schema: Schema | None = resource.schema
        return schema
    return builtin_schema(resource.group, resource.version, resource.kind)
