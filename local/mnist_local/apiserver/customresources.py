"""The resources that a CustomResourceDefinition serves."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Column, Convert, Resource, ScalePaths
from mnist_local.apiserver.schema import StructuralSchema

TABLE = "customresourcedefinitions.apiextensions.k8s.io"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def schema_of(version: Obj, path: str) -> StructuralSchema | None:
    """Return the compiled schema of a version; compiled once however often it is asked for.

    Raises:
        SchemaError: it is not structural.
    """
    source = (version.get("schema") or {}).get("openAPIV3Schema")
    return _compile(orjson.dumps(source), path) if source else None


@lru_cache(maxsize=64)
def _compile(source: bytes, path: str) -> StructuralSchema:
    return StructuralSchema.compile(orjson.loads(source), path)


def schema_path(crd: Obj, index: int) -> str:
    """Return where errors say the schema of a version stands; a single version's is the old place."""
    if len(crd["spec"]["versions"]) == 1:
        return "spec.validation.openAPIV3Schema"
    return f"spec.versions[{index}].schema.openAPIV3Schema"


def resources_of(crd: Obj) -> list[Resource]:
    """Return the resources of a definition, one for each served version."""
    spec = crd["spec"]
    names = spec["names"]
    group = spec["group"]
    storage = next((version["name"] for version in spec["versions"] if version.get("storage")), "")
    out: list[Resource] = []
    for index, version in enumerate(spec["versions"]):
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
                subresources=tuple(key for key in ("scale", "status") if key in sub),
                custom=True,
                has_generation=True,
                unconditional_update=False,
                schema=schema_of(version, schema_path(crd, index)),
                openapi=(version.get("schema") or {}).get("openAPIV3Schema"),
                columns=tuple(_column(c) for c in version.get("additionalPrinterColumns") or ()),
                scale=_scale(sub["scale"]) if "scale" in sub else None,
                to_storage=None if same else _restamp(f"{group}/{storage}"),
                from_storage=None if same else _restamp(f"{group}/{name}"),
            )
        )
    return out


def _scale(sub: Obj) -> ScalePaths:
    paths = (sub.get(f"{name}Path", "").lstrip(".") for name in ("specReplicas", "statusReplicas", "labelSelector"))
    return ScalePaths(*paths)


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
