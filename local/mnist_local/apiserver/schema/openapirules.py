"""What a CRD's schema may say beyond being structural: supported keywords, list types, well-formed rules."""

from collections.abc import Iterator
from typing import Any, Final

from mnist_local.apiserver.schema import errors
from mnist_local.apiserver.schema.errors import FieldError
from mnist_local.apiserver.schema.fieldpath import normalize_field_path
from mnist_local.apiserver.schema.node import Node, Rule

_TYPES: Final = ["array", "boolean", "integer", "number", "object", "string"]
_UNSUPPORTED: Final = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_META: Final = ("metadata", "kind", "apiVersion")
_REASONS: Final = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"]
_NUMBERS: Final = ("minimum", "maximum", "multipleOf")
_COUNTS: Final = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_FLAGS: Final = ("nullable", "exclusiveMinimum", "exclusiveMaximum", "uniqueItems")


def check_keywords(node: Node, path: str, *, is_root: bool = True, inside_meta: bool = False) -> Iterator[FieldError]:
    """Errors of a schema and all below it, combinations included."""
    yield from _json_types(node, path)
    yield from _standard(node, path, inside_meta=inside_meta)
    yield from _additional(node, path)
    yield from _list_type(node, path)
    for index, rule in enumerate(node.rules):
        yield from _rule(rule, node, f"{path}.x-kubernetes-validations[{index}]")
    for name, child in node.properties.items():
        meta = inside_meta or ((is_root or node.embedded) and name in _META)
        child_path = f"{path}.properties[{name}]"
        if is_root and name in _META and "default" in child.source:
            yield errors.forbidden(f"{child_path}.default", f"must not be set in top-level {name}")
        yield from check_keywords(child, child_path, is_root=False, inside_meta=meta)
    others = [
        (f"{path}.items", node.items),
        (f"{path}.additionalProperties", node.additional),
        (f"{path}.not", node.not_),
    ]
    for keyword, subs in (("allOf", node.all_of), ("anyOf", node.any_of), ("oneOf", node.one_of)):
        others += [(f"{path}.{keyword}[{i}]", sub) for i, sub in enumerate(subs)]
    for sub_path, sub in others:
        if sub is not None:
            yield from check_keywords(sub, sub_path, is_root=False, inside_meta=inside_meta)


def _json_types(node: Node, path: str) -> Iterator[FieldError]:
    """What would not even decode as a JSONSchemaProps."""
    source = node.source
    for key in _FLAGS:
        if source.get(key) is not None and not isinstance(source[key], bool):
            yield errors.invalid(f"{path}.{key}", source[key], "must be a boolean")
    for keys, types, what in ((_NUMBERS, (int, float), "a number"), (_COUNTS, (int,), "an integer")):
        for key in keys:
            value = source.get(key)
            if value is not None and (isinstance(value, bool) or not isinstance(value, types)):
                yield errors.invalid(f"{path}.{key}", value, f"must be {what}")


def _standard(node: Node, path: str, *, inside_meta: bool) -> Iterator[FieldError]:
    source = node.source
    if node.type == "null":
        yield errors.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if node.type and node.type not in _TYPES:
        yield errors.not_supported(f"{path}.type", node.type, _TYPES)
    for key in _UNSUPPORTED:
        if source.get(key):
            yield errors.forbidden(f"{path}.{key}", f"{key} is not supported")
    if isinstance(source.get("items"), list):
        yield errors.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if inside_meta and node.embedded:
        yield errors.forbidden(f"{path}.x-kubernetes-embedded-resource", "must not be used inside of resource meta")
    if source.get("uniqueItems") is True:
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield errors.forbidden(f"{path}.uniqueItems", detail)
    if source.get("x-kubernetes-preserve-unknown-fields") is False:
        yield errors.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")


def _additional(node: Node, path: str) -> Iterator[FieldError]:
    if node.additional_given and node.properties and (not node.additional_allowed or node.additional is not None):
        detail = "additionalProperties and properties are mutual exclusive"
        yield errors.forbidden(f"{path}.additionalProperties", detail)


def _list_type(node: Node, path: str) -> Iterator[FieldError]:
    key = f"{path}.x-kubernetes-list-type"
    if node.map_type:
        yield from _needs_type(node, "object", "x-kubernetes-map-type", path)
        if node.map_type not in ("atomic", "granular"):
            yield errors.not_supported(f"{path}.x-kubernetes-map-type", node.map_type, ["atomic", "granular"])
    if node.list_type:
        if node.type != "array":
            yield from _needs_type(node, "array", "x-kubernetes-list-type", path)
        elif node.list_type == "set" and node.items is not None:
            yield from _set_items(node.items, f"{path}.items")
        if node.list_type not in ("atomic", "set", "map"):
            yield errors.not_supported(key, node.list_type, ["atomic", "set", "map"])
    if node.map_keys and node.list_type != "map":
        detail = "must be map if x-kubernetes-list-map-keys is non-empty"
        yield errors.invalid(key, node.list_type, detail) if node.list_type else errors.required(key, detail)
    if node.list_type == "map":
        yield from _map_list(node, path)
    if node.list_type in ("set", "map") and node.items is not None and node.items.nullable:
        detail = f"cannot be nullable when x-kubernetes-list-type is {node.list_type}"
        yield errors.forbidden(f"{path}.items.nullable", detail)


def _needs_type(node: Node, wanted: str, keyword: str, path: str) -> Iterator[FieldError]:
    if node.type != wanted:
        detail = f"must be {wanted} if {keyword} is specified"
        yield (
            errors.invalid(f"{path}.type", node.type, detail) if node.type else errors.required(f"{path}.type", detail)
        )


def _set_items(items: Node, path: str) -> Iterator[FieldError]:
    detail = "must be atomic as item of a list with x-kubernetes-list-type=set"
    if items.type == "array" and items.list_type not in ("", "atomic"):
        yield errors.invalid(f"{path}.x-kubernetes-list-type", items.list_type, detail)
    if items.type == "object" and items.map_type != "atomic":
        yield errors.invalid(f"{path}.x-kubernetes-map-type", items.list_type or None, detail)


def _map_list(node: Node, path: str) -> Iterator[FieldError]:
    keys_path = f"{path}.x-kubernetes-list-map-keys"
    if not node.map_keys:
        yield errors.required(keys_path, "must not be empty if x-kubernetes-list-type is map")
    if node.items is None:
        yield errors.required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
        return
    if node.items.type != "object":
        detail = "must be object if parent array's x-kubernetes-list-type is map"
        yield errors.invalid(f"{path}.items.type", node.items.type, detail)
        return
    keys: Any = list(node.map_keys)
    for position, name in enumerate(node.map_keys):
        field = node.items.properties.get(name)
        if field is None:
            yield errors.invalid(keys_path, keys, "entries must all be names of item properties")
        else:
            yield from _map_key(field, name, node.items, f"{path}.items.properties[{name}]")
        if name in node.map_keys[:position]:
            yield errors.invalid(keys_path, keys, "must not contain duplicate entries")


def _map_key(field: Node, name: str, items: Node, path: str) -> Iterator[FieldError]:
    if field.type in ("array", "object"):
        detail = "must be a scalar type if parent array's x-kubernetes-list-type is map"
        yield errors.invalid(f"{path}.type", items.type, detail)
    why = "this property is in x-kubernetes-list-map-keys, so it"
    if name not in items.required and "default" not in field.source:
        yield errors.required(f"{path}.default", f"{why} must have a default or be a required property")
    if field.nullable:
        yield errors.forbidden(f"{path}.nullable", f"{why} cannot be nullable")


def _has_line_break(text: str) -> bool:
    return "\n" in text or "\r" in text


def _rule(rule: Rule, node: Node, path: str) -> Iterator[FieldError]:
    message = rule.message.strip()
    if not rule.rule.strip():
        yield errors.required(f"{path}.rule", "rule is not specified")
    elif rule.message and not message:
        yield errors.invalid(f"{path}.message", rule.message, "must be non-empty if specified")
    elif _has_line_break(message):
        yield errors.invalid(f"{path}.message", rule.message, "must not contain line breaks")
    elif _has_line_break(rule.rule.strip()) and not message:
        yield errors.required(f"{path}.message", "message must be specified if rule contains line breaks")
    if rule.message_expression and not rule.message_expression.strip():
        yield errors.required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.reason and rule.reason not in _REASONS:
        yield errors.not_supported(f"{path}.reason", rule.reason, _REASONS)
    if rule.field_path and not rule.field_path.strip():
        yield errors.invalid(f"{path}.fieldPath", rule.field_path, "must be non-empty if specified")
    if _has_line_break(rule.field_path):
        yield errors.invalid(f"{path}.fieldPath", rule.field_path, "must not contain line breaks")
    if rule.field_path and normalize_field_path(rule.field_path, node) is None:
        yield errors.invalid(f"{path}.fieldPath", rule.field_path, "must be a valid path")
