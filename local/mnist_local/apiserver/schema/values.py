"""Validating a value against a schema: types, bounds, formats, enums, combinations.

Messages and their order follow the API server (go-openapi's validators as used by apiextensions).
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import re2

from mnist_local.apiserver.schema import errors, formats, gojson
from mnist_local.apiserver.schema.correlate import Correlated
from mnist_local.apiserver.schema.errors import FieldError
from mnist_local.apiserver.schema.jsonvalue import loosely_same, type_name
from mnist_local.apiserver.schema.node import Node

_INT_RANGE = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1), "": (-(2**63), 2**63 - 1)}
_MAX_FLOAT32 = 3.4028234663852886e38
_GO_REGEXP = {
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "trailing \\": "trailing backslash at end of expression",
}
_VALUE_FORMATS = {"integer": "int64", "number": "float64"}
"""What the server calls the format of a decoded JSON value."""


def check(node: Node, value: Any, path: str, correlated: Correlated | None = None) -> list[FieldError]:
    """All errors of `value`; none where the value equals its old one (ratcheting)."""
    if correlated is not None and correlated.unchanged():
        return []
    return list(_check(node, value, path, correlated))


def _check(node: Node, value: Any, path: str, correlated: Correlated | None) -> Iterator[FieldError]:
    yield from _check_type(node, value, path)
    if value is None:
        yield from _check_enum(node, value, path)
        return
    yield from _check_combinations(node, value, path, correlated)
    if isinstance(value, str):
        yield from _check_string(node, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _check_number(node, value, path)
    elif isinstance(value, list):
        yield from _check_list(node, value, path, correlated)
    yield from _check_enum(node, value, path)
    if isinstance(value, dict):
        yield from _check_object(node, value, path, correlated)


def _types(node: Node) -> tuple[str, ...]:
    if node.int_or_string:
        return ("integer", "string")
    return (node.type,) if node.type else ()


def _check_type(node: Node, value: Any, path: str) -> Iterator[FieldError]:
    types = _types(node)
    enforced = formats.effective(node.type, node.format) if node.format else ""
    if not types and not enforced:
        return
    actual = type_name(value)
    if value is None:
        if types and not node.nullable:
            yield _wrong_type(path, ",".join(types), "null")
        return
    if actual in types or (actual == "integer" and "number" in types):
        return
    if actual == "number" and "integer" in types and float(value).is_integer():
        return
    if enforced and actual not in ("string", "array"):
        yield _wrong_type(path, enforced, _VALUE_FORMATS.get(actual, ""))
    elif enforced and not {"number", "integer"} & set(types):
        return  # the format's own check speaks
    else:
        yield _wrong_type(path, ",".join(types), actual)


def _wrong_type(path: str, wanted: str, actual: str) -> FieldError:
    return errors.type_invalid(path, actual, f"{path} in body must be of type {wanted}: {gojson.quote(actual)}")


def _check_enum(node: Node, value: Any, path: str) -> Iterator[FieldError]:
    if node.enum and not any(loosely_same(value, allowed) for allowed in node.enum if allowed is not None):
        supported = [v if isinstance(v, str) else gojson.marshal(v) for v in node.enum]
        yield errors.not_supported(path, value, supported)


@cache
def regexp(pattern: str) -> Any:
    """A compiled RE2 pattern (raises `re2.error`)."""
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def pattern_error(pattern: str) -> str:
    """Why a pattern is no valid RE2, or ""."""
    try:
        regexp(pattern)
    except re2.error as error:
        detail = error.args[0] if error.args else error
        return f"error parsing regexp: {_as_go(detail.decode() if isinstance(detail, bytes) else str(detail))}"
    return ""


def _as_go(problem: str) -> str:
    """RE2's complaint in the words of Go's regexp package."""
    what, _, where = problem.partition(": ")
    return f"{_GO_REGEXP.get(what, what)}: `{where}`"


def _check_string(node: Node, value: str, path: str) -> Iterator[FieldError]:
    if node.max_length is not None and len(value) > node.max_length:
        yield errors.too_long(path, node.max_length)
    elif node.min_length is not None and len(value) < node.min_length:
        yield errors.invalid(path, value, f"{path} in body should be at least {node.min_length} chars long")
    elif node.pattern and regexp(node.pattern).search(value) is None:
        yield errors.invalid(path, value, f"{path} in body should match '{node.pattern}'")
    if node.format:
        enforced = formats.effective(node.type, node.format)
        if enforced and not formats.accepts(enforced, value):
            detail = f"{path} in body must be of type {enforced}: {gojson.quote(value)}"
            yield errors.type_invalid(path, value, detail)


def _check_number(node: Node, value: int | float, path: str) -> Iterator[FieldError]:
    yield from _check_range(node, value, path)
    if node.multiple_of and not _is_multiple(value, _native(value, node.multiple_of)):
        factor = gojson.number(_native(value, node.multiple_of))
        yield errors.invalid(path, value, f"{path} in body should be a multiple of {factor}")
    if node.minimum is not None:
        bound = _native(value, node.minimum)
        if value < bound or (node.exclusive_minimum and value == bound):
            relation = "greater than" if node.exclusive_minimum else "greater than or equal to"
            yield errors.invalid(path, value, f"{path} in body should be {relation} {gojson.number(bound)}")
    if node.maximum is not None:
        bound = _native(value, node.maximum)
        if value > bound or (node.exclusive_maximum and value == bound):
            relation = "less than" if node.exclusive_maximum else "less than or equal to"
            yield errors.invalid(path, value, f"{path} in body should be {relation} {gojson.number(bound)}")


def _native(value: int | float, bound: float) -> int | float:
    """The bound in the value's own type: like the server, integers are compared to its whole part."""
    return int(bound) if isinstance(value, int) else float(bound)


def _is_multiple(value: int | float, factor: float) -> bool:
    if factor == 0:
        return True
    return value % factor == 0 if isinstance(value, int) else (value / factor).is_integer()


def _check_range(node: Node, value: int | float, path: str) -> Iterator[FieldError]:
    enforced = formats.effective(node.type, node.format) if node.format else ""
    if node.type == "integer" and not node.int_or_string:
        low, high = _INT_RANGE[enforced]
        if low <= value <= high and float(value).is_integer():
            return
    elif node.type != "number" or enforced != "float" or abs(value) <= _MAX_FLOAT32:
        return
    what = f"{node.type} with format {enforced}" if enforced else f"{node.type} (default format)"
    yield errors.invalid("", "", f"Checked value must be of type {what} in {path}")


def _check_list(node: Node, value: list[Any], path: str, correlated: Correlated | None) -> Iterator[FieldError]:
    if node.items is not None:
        for index, item in enumerate(value):
            child = correlated.index(index) if correlated is not None else None
            yield from check(node.items, item, f"{path}[{index}]", child)
    if node.min_items is not None and len(value) < node.min_items:
        yield errors.invalid(path, len(value), f"{path} in body should have at least {node.min_items} items")
    if node.max_items is not None and len(value) > node.max_items:
        yield errors.too_many(path, len(value), node.max_items)


def _check_object(node: Node, value: dict[str, Any], path: str, correlated: Correlated | None) -> Iterator[FieldError]:
    count = len(value)
    if node.min_properties is not None and count < node.min_properties:
        yield errors.invalid(path, count, f"{path} in body should have at least {node.min_properties} properties")
    if node.max_properties is not None and count > node.max_properties:
        yield errors.too_many(path, count, node.max_properties)
    properties = node.properties
    for name, item in value.items():
        schema = properties.get(name)
        if schema is None:
            if node.additional is None:
                if node.additional_given and not node.additional_allowed:
                    yield errors.invalid(path, name, f"{path}.{name} in body is a forbidden property")
                continue
            schema = node.additional
        child = correlated.key(name) if correlated is not None else None
        if not path and name in ("apiVersion", "kind"):
            child = None  # the old object was converted to the same version: never ratcheted
        yield from check(schema, item, f"{path}.{name}" if path else name, child)
    for name in node.required:
        if name not in value:
            yield errors.required(f"{path}.{name}" if path else name)


def _check_combinations(node: Node, value: Any, path: str, correlated: Correlated | None) -> Iterator[FieldError]:
    if node.any_of:
        yield from _check_any_of(node, value, path, correlated)
    if node.one_of:
        yield from _check_one_of(node, value, path, correlated)
    if node.all_of:
        results = [list(_check(s, value, path, correlated)) for s in node.all_of]
        for result in results:
            yield from result
        failed = sum(1 for result in results if result)
        if failed:
            suffix = ". None validated" if failed == len(results) else ""
            yield errors.invalid("", "", f"{gojson.quote(path)} must validate all the schemas (allOf){suffix}")
    if node.not_ is not None and not list(_check(node.not_, value, path, correlated)):
        yield errors.invalid("", "", f"{gojson.quote(path)} must not validate the schema (not)")


def _check_any_of(node: Node, value: Any, path: str, correlated: Correlated | None) -> Iterator[FieldError]:
    results = [list(_check(s, value, path, correlated)) for s in node.any_of]
    if all(results):
        yield errors.invalid("", "", f"{gojson.quote(path)} must validate at least one schema (anyOf)")
        yield from min(results, key=len)


def _check_one_of(node: Node, value: Any, path: str, correlated: Correlated | None) -> Iterator[FieldError]:
    results = [list(_check(s, value, path, correlated)) for s in node.one_of]
    valid = sum(1 for result in results if not result)
    if valid == 1:
        return
    what = f"Found {valid} valid alternatives" if valid else "Found none valid"
    yield errors.invalid("", "", f"{gojson.quote(path)} must validate one and only one schema (oneOf). {what}")
    if not valid:
        yield from min(results, key=len)
