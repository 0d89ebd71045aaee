"""Per-kind behaviour of built-in resources, one `Hooks` per table of the store; everything else is generic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.schema import Schema, builtin_schema
from mnist_local.apiserver.schema.errors import FieldError


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a kind does beyond the generic.

    `default` fills in what a client may leave out, on decode; `prepare_create` and `prepare_update` set what the
    server owns; `validate(obj, old)` returns broken rules; `grace_period(obj, requested)` returns the seconds a
    deletion waits; `begin_delete` marks an object at its first delete and returns finalizers to add;
    `keeps_on_delete` tells that something other than finalizers holds the object.
    """

    default: Callable[[Obj], None] = lambda obj: None
    prepare_create: Callable[[Obj], None] = lambda obj: None
    prepare_update: Callable[[Obj, Obj], None] = lambda obj, old: None
    validate: Callable[[Obj, Obj | None], list[FieldError]] = lambda obj, old: []
    grace_period: Callable[[Obj, int | None], int] = lambda obj, requested: 0
    begin_delete: Callable[[Obj], list[str]] = lambda obj: []
    keeps_on_delete: Callable[[Obj], bool] = lambda obj: False
    default_propagation: str | None = None


_GENERIC = Hooks()
HOOKS: dict[str, Hooks] = {}


def hooks_of(resource: Resource) -> Hooks:
    """Return the hooks of a resource: those of its group, else those of the table it is a view of."""
    own = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
    return HOOKS.get(own) or HOOKS.get(resource.table_name, _GENERIC)


def schema_for(resource: Resource) -> Schema | None:
    """Return the schema of a resource's objects: a custom one's from its definition, else that of the built-in kind."""
    if resource.custom:
        schema: Schema | None = resource.schema
        return schema
    return builtin_schema(resource.group, resource.version, resource.kind)
