"""Schema nodes of built-in types, made as they are looked at."""

from functools import cache
from typing import Any

from mnist_local.apiserver.schema.node import Node
from mnist_local.apiserver.schema.types import clientmodels, tables

_SCALARS = {
    "StrictStr": ("string", ""),
    "StrictInt": ("integer", "int32"),
    "StrictBool": ("boolean", ""),
    "datetime": ("string", "date-time"),
    "Union[StrictFloat, StrictInt]": ("number", "double"),
    "Union[Annotated[bytes, Field(strict=True)], Annotated[str, Field(strict=True)]]": ("string", "byte"),
}
_RECURSIVE_JSON = ("V1JSONSchemaProps.items", "V1JSONSchemaProps.additionalProperties")


@cache
def model_node(model: str) -> Node:
    """The schema of a model."""
    node = Node("object")
    node.map_type = "atomic" if model in tables.ATOMIC else ""
    node.required = tuple(f.name for f in clientmodels.fields(model).values() if f.required)
    node.source = {"model": model}
    node.load_properties_with(lambda: {name: _field_node(model, f) for name, f in clientmodels.fields(model).items()})
    return node


def _field_node(model: str, field: clientmodels.Field) -> Node:
    key = f"{model}.{field.name}"
    if key in _RECURSIVE_JSON:
        return _json_schema_or_other()
    node = _typed(key, field.name, field.type)
    if any(key in table for table in (tables.ATOMIC, tables.GRANULAR, tables.PATCH_STRATEGIES, tables.DEFAULTED_KEYS)):
        node = node.clone()
        if key in tables.ATOMIC or key in tables.GRANULAR:
            node.map_type = "atomic" if key in tables.ATOMIC else "granular"
        node.patch_strategy = tables.PATCH_STRATEGIES.get(key, node.patch_strategy)
        if key in tables.DEFAULTED_KEYS:
            node.default = tables.DEFAULTED_KEYS[key]
    return node


def _typed(key: str, name: str, type_: str) -> Node:
    if type_.startswith("List["):
        return _list(key, name, type_[len("List[") : -1])
    if type_.startswith("Dict[str, "):
        value_type = type_[len("Dict[str, ") : -1]
        node = Node("object")
        if value_type == "Any":
            node.preserve_unknown = True
        else:
            node.additional = _typed(key, name, value_type)
            node.additional_given = node.additional_allowed = True
        return node
    if key in tables.QUANTITIES:
        return _quantity()
    if key in tables.MICRO_TIMES:
        node = Node("string")
        node.format = "micro-time"
        return node
    if type_ in _SCALARS:
        json_type, format_ = _SCALARS[type_]
        node = Node(json_type)
        node.format = format_
        if format_ == "int32" and (name in tables.INT64_FIELDS or key in tables.INT64):
            node.format = "int64"
        return node
    if type_ == "StrictInt | StrictStr":
        node = Node()
        node.int_or_string = True
        return node
    if clientmodels.exists(type_):
        return model_node(type_)
    node = Node()
    node.preserve_unknown = True
    return node


def _quantity() -> Node:
    """A string that may be written as a number."""
    node = Node()
    node.format = "quantity"
    return node


def _json_schema_or_other() -> Node:
    """A JSON schema, or a list of them, or true or false."""
    node = Node()
    node.load_properties_with(lambda: model_node("V1JSONSchemaProps").properties)
    return node


def _list(key: str, name: str, item_type: str) -> Node:
    node = Node("array")
    node.items = _typed(key, name, item_type)
    keys = tables.MERGED_LISTS.get(key)
    if keys is not None:
        node.list_type, node.map_keys = "map", keys
        node.patch_merge_key, node.patch_strategy = keys[0], ("merge",)
    elif key in tables.KEYED_LISTS:
        node.list_type, node.map_keys = "map", tables.KEYED_LISTS[key]
    elif key in tables.ATOMIC_MERGED_LISTS:
        node.patch_merge_key, node.patch_strategy = tables.ATOMIC_MERGED_LISTS[key], ("merge",)
    elif key in tables.SETS:
        node.list_type = "set"
        node.patch_strategy = ("merge",) if key in tables.MERGED_SETS else ()
    return node


def object_meta() -> Node:
    """The schema of every object's metadata."""
    return model_node("V1ObjectMeta")


def empty_object(node: Node) -> dict[str, Any]:
    """What the API server's own type holds before anything is set: its structs, empty, and its required lists, null."""
    empty: dict[str, Any] = {}
    for name, child in node.properties.items():
        if name in tables.STRUCT_FIELDS and child.type == "object" and "model" in child.source:
            empty[name] = empty_object(child)
        elif name in node.required and child.type == "array":
            empty[name] = None
    return empty
