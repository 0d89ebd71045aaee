"""Per-kind behaviour of built-in resources, one `Hooks` per table of the store; everything else is generic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mnist_local.apiserver import crd
from mnist_local.apiserver.errors import Cause, Obj


def _nothing(_obj: Obj) -> None:
    return None


def _nothing_update(_obj: Obj, _old: Obj) -> None:
    return None


def _no_causes(_obj: Obj, _old: Obj | None) -> list[Cause]:
    return []


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a kind does beyond the generic: defaulting on decode, fields the server owns, and rules."""

    default: Callable[[Obj], None] = _nothing
    prepare_create: Callable[[Obj], None] = _nothing
    prepare_update: Callable[[Obj, Obj], None] = _nothing_update
    validate: Callable[[Obj, Obj | None], list[Cause]] = _no_causes


GENERIC = Hooks()
HOOKS: dict[str, Hooks] = {
    crd.TABLE: Hooks(default=crd.default, prepare_create=crd.prepare_create),
}


def hooks_of(table_name: str) -> Hooks:
    """Return the hooks of a table."""
    return HOOKS.get(table_name, GENERIC)
