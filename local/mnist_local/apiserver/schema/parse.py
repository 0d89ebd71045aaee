"""`JSONSchemaProps` (as decoded JSON) into nodes."""

from collections.abc import Mapping
from typing import Any

from mnist_local.apiserver.schema.node import MISSING, Json, Node, Rule


def parse(schema: Mapping[str, Json]) -> Node:
    """Read a schema, leniently: what is wrong with it is reported by `structure`, which looks at the source."""
    node = Node(schema.get("type") or "", source=schema)
    _read_generic(node, schema)
    _read_extensions(node, schema)
    _read_bounds(node, schema)
    _read_children(node, schema)
    return node


def _read_generic(node: Node, schema: Mapping[str, Json]) -> None:
    node.format = schema.get("format") or ""
    node.nullable = bool(schema.get("nullable"))
    default = schema.get("default", MISSING)
    node.default = MISSING if default is None else default
    node.required = tuple(schema.get("required") or ())
    node.enum = list(schema.get("enum") or ())


def _read_extensions(node: Node, schema: Mapping[str, Json]) -> None:
    node.preserve_unknown = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    node.embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    node.int_or_string = bool(schema.get("x-kubernetes-int-or-string"))
    node.list_type = schema.get("x-kubernetes-list-type") or ""
    node.map_keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    node.map_type = schema.get("x-kubernetes-map-type") or ""
    node.rules = tuple(_rule(r) for r in schema.get("x-kubernetes-validations") or ())


def _rule(rule: Mapping[str, Any]) -> Rule:
    return Rule(
        rule=rule.get("rule") or "",
        message=rule.get("message") or "",
        message_expression=rule.get("messageExpression") or "",
        reason=rule.get("reason") or "",
        field_path=rule.get("fieldPath") or "",
        optional_old_self=rule.get("optionalOldSelf"),
    )


def _read_bounds(node: Node, schema: Mapping[str, Json]) -> None:
    node.minimum = schema.get("minimum")
    node.maximum = schema.get("maximum")
    node.exclusive_minimum = schema.get("exclusiveMinimum") is True
    node.exclusive_maximum = schema.get("exclusiveMaximum") is True
    node.multiple_of = schema.get("multipleOf")
    node.min_length = schema.get("minLength")
    node.max_length = schema.get("maxLength")
    node.pattern = schema.get("pattern") or ""
    node.min_items = schema.get("minItems")
    node.max_items = schema.get("maxItems")
    node.min_properties = schema.get("minProperties")
    node.max_properties = schema.get("maxProperties")


def _read_children(node: Node, schema: Mapping[str, Json]) -> None:
    node.properties = {name: parse(sub) for name, sub in (schema.get("properties") or {}).items()}
    additional = schema.get("additionalProperties")
    node.additional_given = additional is not None
    if isinstance(additional, Mapping):
        node.additional = parse(additional)
        node.additional_allowed = True
    else:
        node.additional_allowed = bool(additional)
    items = schema.get("items")
    if isinstance(items, Mapping):
        node.items = parse(items)
    node.all_of = [parse(s) for s in schema.get("allOf") or ()]
    node.any_of = [parse(s) for s in schema.get("anyOf") or ()]
    node.one_of = [parse(s) for s in schema.get("oneOf") or ()]
    if isinstance(schema.get("not"), Mapping):
        node.not_ = parse(schema["not"])
