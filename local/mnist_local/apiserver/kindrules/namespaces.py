"""Namespaces."""

from __future__ import annotations

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.kinds import Hooks

FINALIZER = "kubernetes"


def _default(obj: Obj) -> None:
    metadata = obj["metadata"]
    if name := metadata.get("name"):
        # The label lets network policies and admission select a namespace by its name.
        metadata.setdefault("labels", {})["kubernetes.io/metadata.name"] = name


def _prepare_create(obj: Obj) -> None:
    _default(obj)
    obj["spec"] = {"finalizers": [FINALIZER]}
    obj["status"] = {"phase": "Active"}


def _prepare_update(obj: Obj, old: Obj) -> None:
    if "spec" not in obj:
        obj["spec"] = old["spec"]


def _begin_delete(obj: Obj) -> list[str]:
    obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}
    return []


def _keeps(obj: Obj) -> bool:
    return bool(obj.get("spec", {}).get("finalizers"))


HOOKS = {
    "namespaces": Hooks(
        default=_default,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        begin_delete=_begin_delete,
        keeps_on_delete=_keeps,
    )
}
