"""CustomResourceDefinitions: their conditions, and the resources they serve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mnist_local.apiserver import clock
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Column, Convert, Resource
from mnist_local.apiserver.store import Event

TABLE = "customresourcedefinitions.apiextensions.k8s.io"


def default(obj: Obj) -> None:
    """Fill in names that follow from the kind."""
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind", "")
    if not names.get("singular"):
        names["singular"] = kind.lower()
    if not names.get("listKind"):
        names["listKind"] = f"{kind}List"
    spec.setdefault("conversion", {"strategy": "None"})


def prepare_create(obj: Obj) -> None:
    """Set the status a new definition has: its names are accepted and it is established at once."""
    spec = obj["spec"]
    now = clock.now()
    obj["status"] = {
        "acceptedNames": spec["names"],
        "conditions": [
            {
                "type": "NamesAccepted", "status": "True", "reason": "NoConflicts",
                "message": "no conflicts found", "lastTransitionTime": now,
            },
            {
                "type": "Established", "status": "True", "reason": "InitialNamesAccepted",
                "message": "the initial names have been accepted", "lastTransitionTime": now,
            },
        ],
        "storedVersions": [version["name"] for version in spec.get("versions", []) if version.get("storage")],
    }  # fmt: skip


def resources_of(crd: Obj) -> list[Resource]:
    """Return the resources a definition serves, one for each served version."""
    spec = crd["spec"]
    names = spec["names"]
    group = spec["group"]
    storage = next((version["name"] for version in spec["versions"] if version.get("storage")), "")
    out: list[Resource] = []
    for version in spec["versions"]:
        if not version.get("served"):
            continue
        name = version["name"]
        same = name == storage
        sub = version.get("subresources") or {}
        out.append(
            Resource(
                group=group,
                version=name,
                kind=names["kind"],
                plural=names["plural"],
                singular=names.get("singular", ""),
                list_kind=names.get("listKind", ""),
                namespaced=spec.get("scope") == "Namespaced",
                short_names=tuple(names.get("shortNames") or ()),
                categories=tuple(names.get("categories") or ()),
                subresources=tuple(key for key in ("status", "scale") if key in sub),
                custom=True,
                has_generation=True,
                unconditional_update=False,
                openapi=(version.get("schema") or {}).get("openAPIV3Schema"),
                columns=tuple(_column(c) for c in version.get("additionalPrinterColumns") or ()),
                selectable=tuple(f["jsonPath"].lstrip(".") for f in version.get("selectableFields") or ()),
                to_storage=None if same else _restamp(f"{group}/{storage}"),
                from_storage=None if same else _restamp(f"{group}/{name}"),
            )
        )
    return out


def _restamp(api_version: str) -> Convert:
    def convert(obj: Obj) -> Obj:
        return {**obj, "apiVersion": api_version}

    return convert


def _column(column: dict[str, Any]) -> Column:
    return Column(
        name=column["name"],
        type=column["type"],
        path=column["jsonPath"],
        format=column.get("format", ""),
        description=column.get("description", ""),
        priority=column.get("priority", 0),
    )


class Definitions:
    """Keeps the registry true to the stored definitions."""

    def __init__(self, ctx: Context, drop: Callable[[Resource], None]) -> None:
        self.ctx = ctx
        self.drop = drop
        ctx.store.subscribe(self.on_event)

    def on_event(self, table: str, event: Event) -> None:
        """Serve what a definition says, from the moment it is stored."""
        if table != TABLE:
            return
        spec = event.entry.obj["spec"]
        registry = self.ctx.registry
        if event.type == "DELETED":
            registry.remove(spec["group"], spec["names"]["plural"])
            return
        registry.remove(spec["group"], spec["names"]["plural"])
        for resource in resources_of(event.entry.obj):
            registry.add(resource)
