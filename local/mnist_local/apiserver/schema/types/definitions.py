"""The published OpenAPI schemas of built-in types."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from mnist_local.apiserver.schema.node import MISSING, Node
from mnist_local.apiserver.schema.types import clientmodels, tables
from mnist_local.apiserver.schema.types.nodes import model_node

_MODEL: Final = re.compile(r"\b(?:[A-Z][a-z]+)?V\d(?:alpha\d|beta\d)?[A-Z]\w*")
_PARTS: Final = re.compile(r"(?:[A-Z][a-z]+)?(V\d(?:alpha\d|beta\d)?)([A-Z]\w*)\Z")
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"
_META_MODELS: Final = tuple(
    f"V1{name}"
    for name in (
        *(
            "ObjectMeta",
            "ListMeta",
            "OwnerReference",
            "ManagedFieldsEntry",
            "LabelSelector",
            "LabelSelectorRequirement",
        ),
        *("Condition", "DeleteOptions", "Preconditions", "Status", "StatusCause", "StatusDetails"),
        *("FieldSelectorRequirement",),
    )
)
_QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING: Final = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_SHARED: Final[dict[str, dict[str, Any]]] = {
    _QUANTITY: {
        "description": "An amount of a resource, such as 500m or 2Gi.",
        "oneOf": [{"type": "string"}, {"type": "number"}],
    },
    _INT_OR_STRING: {
        "description": "An integer, or a string such as 25% or the name of a port.",
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
}
REF: Final = "#/components/schemas/"
Schema = dict[str, Any]


def _group_folder(group: str) -> str:
    if group == "apiextensions.k8s.io":
        return "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions"
    return f"io.k8s.api.{group.partition('.')[0] or 'core'}"


@cache
def _folders() -> dict[str, str]:
    """Where each model is defined: with the metadata, or in the first API group that uses it."""
    folders = dict.fromkeys(_META_MODELS, _META)
    for (group, version), kinds in tables.KINDS.items():
        for kind in kinds:
            for model in _uses(kind_model(group, version, kind) or ""):
                match = _PARTS.match(model)
                folders.setdefault(model, f"{_group_folder(group)}.{match[1].lower() if match else version}")
    return folders


def _uses(model: str) -> Iterator[str]:
    todo, seen = [model], set()
    while todo:
        current = todo.pop()
        if current in seen or not current or not clientmodels.exists(current):
            continue
        seen.add(current)
        yield current
        for field in clientmodels.fields(current).values():
            todo += _MODEL.findall(field.type)


def kind_model(group: str, version: str, kind: str) -> str | None:
    """The client's model of a built-in kind, or None when there is no such kind."""
    if kind not in tables.KINDS.get((group, version), ()):
        return None
    prefix = version[0].upper() + version[1:]
    group_name = (group or "core").partition(".")[0]
    for candidate in (f"{group_name[0].upper()}{group_name[1:]}{prefix}{kind}", f"{prefix}{kind}"):
        if clientmodels.exists(candidate):
            return candidate
    return None


def definition_name(model: str) -> str:
    """The name of a model's schema, such as io.k8s.api.core.v1.Pod."""
    match = _PARTS.match(model)
    kind = match[2] if match else model
    return f"{_folders().get(model, 'io.k8s.api.core.v1')}.{kind}"


def definitions(models: list[str]) -> dict[str, Schema]:
    """The schemas of these models and of all they use, by name."""
    found: dict[str, Schema] = {}
    for root in models:
        for model in _uses(root):
            name = definition_name(model)
            if name not in found:
                found[name] = definition(model)
    return found | _SHARED


@cache
def definition(model: str) -> Schema:
    """The schema of one model; others are referred to."""
    node = model_node(model)
    properties = {}
    for name, field in clientmodels.fields(model).items():
        text = field.description()
        properties[name] = (
            {"description": text, **_schema(node.properties[name])} if text else _schema(node.properties[name])
        )
    schema: Schema = {"description": clientmodels.description(model), "type": "object", "properties": properties}
    if node.required:
        schema["required"] = list(node.required)
    if node.map_type:
        schema["x-kubernetes-map-type"] = node.map_type
    return schema


def _schema(node: Node) -> Schema:
    if "model" in node.source:
        schema: Schema = {"allOf": [{"$ref": REF + definition_name(str(node.source["model"]))}]}
        return schema | _patch_keys(node)
    if node.int_or_string:
        return {"$ref": REF + _INT_OR_STRING}
    if node.format == "quantity":
        return {"$ref": REF + _QUANTITY}
    schema = {"type": node.type} if node.type else {}
    if node.format:
        schema["format"] = "date-time" if node.format == "micro-time" else node.format
    if node.default is not MISSING:
        schema["default"] = node.default
    if node.items is not None:
        schema["items"] = _item(node.items)
    if node.additional is not None:
        schema["additionalProperties"] = _item(node.additional)
    if node.list_type or node.type == "array":
        schema["x-kubernetes-list-type"] = node.list_type or "atomic"
    if node.map_keys:
        schema["x-kubernetes-list-map-keys"] = list(node.map_keys)
    return schema | _patch_keys(node)


def _item(node: Node) -> Schema:
    return {"$ref": REF + definition_name(str(node.source["model"]))} if "model" in node.source else _schema(node)


def _patch_keys(node: Node) -> Schema:
    keys: Schema = {}
    if node.map_type and ("model" not in node.source or node.map_type == "granular"):
        keys["x-kubernetes-map-type"] = node.map_type
    if node.patch_merge_key:
        keys["x-kubernetes-patch-merge-key"] = node.patch_merge_key
    if node.patch_strategy:
        keys["x-kubernetes-patch-strategy"] = ",".join(node.patch_strategy)
    return keys
