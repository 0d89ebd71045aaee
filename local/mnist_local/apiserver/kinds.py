"""Per-kind behaviour of built-in resources, one `Hooks` per table of the store; everything else is generic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.schema.errors import FieldError


def _nothing(_obj: Obj) -> None:
    return None


def _nothing_update(_obj: Obj, _old: Obj) -> None:
    return None


def _no_causes(_obj: Obj, _old: Obj | None) -> list[FieldError]:
    return []


def _at_once(_obj: Obj, _requested: int | None) -> int:
    return 0


def _no_finalizers(_obj: Obj) -> list[str]:
    return []


def _goes(_obj: Obj) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a kind does beyond the generic.

    `default` fills in what a client may leave out, on decode; `prepare_create` and `prepare_update` set what the
    server owns; `validate(obj, old)` returns broken rules; `grace_period(obj, requested)` returns the seconds a
    deletion waits; `begin_delete` marks an object at its first delete and returns finalizers to add;
    `keeps_on_delete` tells that something other than finalizers holds the object.
    """

    default: Callable[[Obj], None] = _nothing
    prepare_create: Callable[[Obj], None] = _nothing
    prepare_update: Callable[[Obj, Obj], None] = _nothing_update
    validate: Callable[[Obj, Obj | None], list[FieldError]] = _no_causes
    grace_period: Callable[[Obj, int | None], int] = _at_once
    begin_delete: Callable[[Obj], list[str]] = _no_finalizers
    keeps_on_delete: Callable[[Obj], bool] = _goes
    default_propagation: str | None = None


GENERIC = Hooks()
HOOKS: dict[str, Hooks] = {}


def hooks_of(resource: Resource) -> Hooks:
    """Return the hooks of a resource: those of its group, else those of the table it is a view of."""
    own = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
    return HOOKS.get(own) or HOOKS.get(resource.table_name, GENERIC)
