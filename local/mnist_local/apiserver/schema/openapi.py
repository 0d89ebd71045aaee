"""The OpenAPI documents that the server publishes, for `kubectl explain`, `apply` and client-side validation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mnist_local.apiserver.schema.openapipaths import paths_of
from mnist_local.apiserver.schema.types.definitions import (
    REF,
    Schema,
    definition_name,
    definitions,
    kind_model,
)

_INFO: Final = {"title": "Kubernetes", "version": "v1.36.0"}
_API_VERSION: Final = (
    "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized "
    "schemas to the latest internal value, and may reject unrecognized values."
)
_KIND: Final = "Kind is a string value representing the REST resource this object represents. Cannot be updated."
_V2_DROPPED: Final = ("nullable", "oneOf", "anyOf", "allOf", "not", "default")


@dataclass(frozen=True)
class ServedKind:
    """A kind as it is served; `schema` is a custom resource's OpenAPI v3 schema, None for a built-in kind."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    schema: dict[str, Any] | None
    verbs: tuple[str, ...]
    has_status: bool

    @property
    def gvk(self) -> dict[str, str]:
        """How extensions name the kind."""
        return {"group": self.group, "kind": self.kind, "version": self.version}

    @property
    def definition(self) -> str:
        """The name of its schema."""
        model = kind_model(self.group, self.version, self.kind)
        if model is not None:
            return definition_name(model)
        return ".".join([*reversed(self.group.split(".")), self.version, self.kind]).lstrip(".")


def openapi_v3(group: str, version: str, kinds: Iterable[ServedKind]) -> dict[str, Any]:
    """The document of one group version, from those of `kinds` that belong to it."""
    served = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
    paths: Schema = {}
    for kind in served:
        paths |= paths_of(kind)
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": paths,
        "components": {"schemas": _schemas(served)},
    }


def openapi_v2(kinds: Iterable[ServedKind]) -> dict[str, Any]:
    """The document of everything, in OpenAPI v2."""
    served = list(kinds)
    paths: Schema = {}
    for kind in served:
        paths |= paths_of(kind)
    return {
        "swagger": "2.0",
        "info": _INFO,
        "paths": _to_v2(paths),
        "definitions": {name: _to_v2(schema) for name, schema in _schemas(served).items()},
    }


def _schemas(served: Sequence[ServedKind]) -> dict[str, Schema]:
    models = [kind_model(kind.group, kind.version, kind.kind) for kind in served]
    schemas = definitions(["V1ObjectMeta", "V1ListMeta", *(model for model in models if model is not None)])
    for kind in served:
        if kind_model(kind.group, kind.version, kind.kind) is None:
            schemas[kind.definition] = _custom(kind.schema or {})
        name = kind.definition
        schemas[name] = {**schemas[name], "x-kubernetes-group-version-kind": [kind.gvk]}
        schemas[f"{name}List"] = _list_of(kind)
    return dict(sorted(schemas.items()))


def _custom(schema: Schema) -> Schema:
    """A custom resource's schema as it is published: with the fields that every object has."""
    properties = dict(schema.get("properties") or {})
    properties["apiVersion"] = {"description": _API_VERSION, "type": "string"}
    properties["kind"] = {"description": _KIND, "type": "string"}
    properties["metadata"] = {
        "description": "Standard object's metadata.",
        "allOf": [{"$ref": REF + definition_name("V1ObjectMeta")}],
    }
    return {**schema, "type": "object", "properties": dict(sorted(properties.items()))}


def _list_of(kind: ServedKind) -> Schema:
    return {
        "description": f"{kind.kind}List is a list of {kind.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"description": _API_VERSION, "type": "string"},
            "items": {
                "description": f"List of {kind.plural}.",
                "type": "array",
                "items": {"$ref": REF + kind.definition},
            },
            "kind": {"description": _KIND, "type": "string"},
            "metadata": {
                "description": "Standard list metadata.",
                "allOf": [{"$ref": REF + definition_name("V1ListMeta")}],
            },
        },
        "x-kubernetes-group-version-kind": [{**kind.gvk, "kind": f"{kind.kind}List"}],
    }


def _to_v2(value: Any) -> Any:
    """The same in OpenAPI v2, which knows neither null nor alternatives; `allOf` with one reference becomes it."""
    if isinstance(value, list):
        return [_to_v2(item) for item in value]
    if not isinstance(value, dict):
        return value
    references = value.get("allOf")
    if isinstance(references, list) and len(references) == 1 and "$ref" in references[0]:
        value = {**{k: v for k, v in value.items() if k != "allOf"}, **references[0]}
    result = {}
    is_schema = isinstance(value.get("type"), str) or "x-kubernetes-int-or-string" in value or "oneOf" in value
    for name, item in value.items():
        if is_schema and name in _V2_DROPPED:
            continue
        if name == "$ref" and isinstance(item, str):
            result[name] = item.replace(REF, "#/definitions/")
        else:
            result[name] = _to_v2(item)
    return result
