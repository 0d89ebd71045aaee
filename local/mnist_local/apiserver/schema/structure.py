"""Is a schema structural? The rules of apiextensions/v1, with the server's sentences.

A schema is structural when the type of every field is written outside `allOf`, `anyOf`, `oneOf` and `not`, so that
defaulting and pruning need look at nothing else.
"""

from collections.abc import Iterator
from typing import Any, Final

from mnist_local.apiserver.schema import errors
from mnist_local.apiserver.schema.errors import FieldError
from mnist_local.apiserver.schema.node import Node
from mnist_local.apiserver.schema.values import pattern_error

_ROOT: Final = "at the root"
_ITEM: Final = "for specified array items"
_FIELD: Final = "for specified object fields"
_INT_OR_STRING: Final = [{"type": "integer"}, {"type": "string"}]
_X: Final = "x-kubernetes-"


def check_structural(node: Node, path: str) -> list[FieldError]:
    """All structural errors, sorted as the server sorts them."""
    found = [*_invariants(node, _ROOT, path), *_completeness(node, node, path, path)]
    return sorted(found, key=str)


def _invariants(node: Node, level: str, path: str) -> Iterator[FieldError]:
    if node.type == "array" and node.items is None:
        yield errors.required(f"{path}.items", "must be specified")
    if node.items is not None:
        yield from _invariants(node.items, _ITEM, f"{path}.items")
    for name, child in node.properties.items():
        yield from _invariants(child, _FIELD, f"{path}.properties[{name}]")
    if node.additional_given:
        if level == _ROOT:
            yield errors.forbidden(f"{path}.additionalProperties", "must not be used at the root")
        if node.additional is not None:
            yield from _invariants(node.additional, _FIELD, f"{path}.additionalProperties")
    yield from _extensions(node, path)
    yield from _value_validation(
        node,
        path,
        skip_any_of=node.source.get("anyOf") == _INT_OR_STRING,
        skip_first_all_of=any(s.get("anyOf") == _INT_OR_STRING for s in (node.source.get("allOf") or ())[:1]),
    )
    yield from _type_rules(node, level, path)
    yield from _meta_rules(node, level, path)


def _extensions(node: Node, path: str) -> Iterator[FieldError]:
    if not node.int_or_string:
        return
    detail = "must be false if x-kubernetes-int-or-string is true"
    if node.preserve_unknown:
        yield errors.invalid(f"{path}.{_X}preserve-unknown-fields", True, detail)
    if node.embedded:
        yield errors.invalid(f"{path}.{_X}embedded-resource", True, detail)


def _type_rules(node: Node, level: str, path: str) -> Iterator[FieldError]:
    if node.embedded and node.type != "object":
        detail = "must be object if x-kubernetes-embedded-resource is true"
        type_path = f"{path}.type"
        yield errors.invalid(type_path, node.type, detail) if node.type else errors.required(type_path, detail)
    elif not node.type and not node.int_or_string and not node.preserve_unknown:
        yield errors.required(f"{path}.type", f"must not be empty {level}")
    if node.embedded and node.additional_given:
        detail = "must not be used if x-kubernetes-embedded-resource is set"
        yield errors.forbidden(f"{path}.additionalProperties", detail)
    if level == _ROOT and node.type and node.type != "object":
        yield errors.invalid(f"{path}.type", node.type, "must be object at the root")
    if node.embedded and not node.preserve_unknown and not node.properties:
        yield errors.required(
            f"{path}.properties",
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        )


def _meta_rules(node: Node, level: str, path: str) -> Iterator[FieldError]:
    properties = node.properties
    if level == _ROOT or node.embedded:
        for name in ("kind", "apiVersion"):
            field = properties.get(name)
            if field is not None and field.type != "string":
                yield errors.invalid(f"{path}.properties[{name}].type", field.type, "must be string")
        metadata = properties.get("metadata")
        if metadata is not None and metadata.type != "object":
            yield errors.invalid(f"{path}.properties[metadata].type", metadata.type, "must be object")
    if level == _ROOT and "metadata" in properties and not _restricts_name_only(properties["metadata"]):
        yield errors.forbidden(
            f"{path}.properties[metadata]",
            "must not specify anything other than name and generateName, but metadata is implicitly specified",
        )


def _restricts_name_only(metadata: Node) -> bool:
    source = {k: v for k, v in metadata.source.items() if v and k not in ("type", "default")}
    return not set(source) - {"properties"} and set(source.get("properties") or ()) <= {"name", "generateName"}


def _value_validation(
    node: Node, path: str, *, skip_any_of: bool = False, skip_first_all_of: bool = False
) -> Iterator[FieldError]:
    if not skip_any_of:
        for i, sub in enumerate(node.any_of):
            yield from _nested(sub, f"{path}.anyOf[{i}]")
    for i, sub in enumerate(node.all_of):
        yield from _nested(sub, f"{path}.allOf[{i}]", skip_any_of=skip_first_all_of and i == 0)
    for i, sub in enumerate(node.one_of):
        yield from _nested(sub, f"{path}.oneOf[{i}]")
    if node.not_ is not None:
        yield from _nested(node.not_, f"{path}.not")
    if node.pattern:
        problem = pattern_error(node.pattern)
        if problem:
            detail = f"must be a valid regular expression, but isn't: {problem}"
            yield errors.invalid(f"{path}.pattern", node.pattern, detail)


_MUST_BE: Final[dict[str, str]] = {
    "type": "empty",
    "additionalProperties": "undefined",
    "default": "undefined",
    "title": "empty",
    "description": "empty",
    "nullable": "false",
    f"{_X}preserve-unknown-fields": "false",
    f"{_X}embedded-resource": "false",
    f"{_X}int-or-string": "false",
    f"{_X}list-map-keys": "empty",
    f"{_X}list-type": "undefined",
    f"{_X}map-type": "undefined",
    f"{_X}validations": "empty",
}


def _nested(node: Node, path: str, *, skip_any_of: bool = False) -> Iterator[FieldError]:
    yield from _value_validation(node, path, skip_any_of=skip_any_of)
    if node.items is not None:
        yield from _nested(node.items, f"{path}.items")
    for name, child in node.properties.items():
        yield from _nested(child, f"{path}.properties[{name}]")
    for key, state in _MUST_BE.items():
        if _is_set(node.source.get(key)):
            yield errors.forbidden(f"{path}.{key}", f"must be {state} to be structural")
    if "metadata" in node.properties:
        yield errors.forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _is_set(value: Any) -> bool:
    return value not in (None, "", False, []) or (value == 0 and value is not False)


def _completeness(validation: Node, node: Node | None, path: str, from_path: str) -> Iterator[FieldError]:
    """Whatever is validated under a combination must also be declared outside of it."""
    combined = [(f"allOf[{i}]", s) for i, s in enumerate(validation.all_of)]
    combined += [(f"anyOf[{i}]", s) for i, s in enumerate(validation.any_of)]
    combined += [(f"oneOf[{i}]", s) for i, s in enumerate(validation.one_of)]
    if validation.not_ is not None:
        combined.insert(0, ("not", validation.not_))
    for name, sub in combined:
        yield from _nested_completeness(sub, node, path, f"{from_path}.{name}")


def _nested_completeness(validation: Node, node: Node | None, path: str, from_path: str) -> Iterator[FieldError]:
    if node is None:
        yield errors.required(path, f"because it is defined in {from_path}")
        return
    yield from _completeness(validation, node, path, from_path)
    if validation.items is not None:
        yield from _nested_completeness(validation.items, node.items, f"{path}.items", f"{from_path}.items")
    for name, sub in validation.properties.items():
        key = f"properties[{name}]"
        yield from _nested_completeness(sub, node.properties.get(name), f"{path}.{key}", f"{from_path}.{key}")
