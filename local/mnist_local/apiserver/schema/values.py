"""Types and bounds of values: a structural schema as JSON Schema, checked by the `jsonschema-rs` validator.

Each status write is validated: on the status of a running training the validator takes about 10 µs; the pure-Python
`jsonschema` takes 100 times as long.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import jsonschema_rs
from jsonschema_rs import ValidationError

from mnist_local.apiserver.schema import errors
from mnist_local.apiserver.schema.errors import FieldError
from mnist_local.apiserver.schema.node import Correlated, Node, type_name

_SAME: Final = (
    "enum", "pattern", "required", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "minProperties",
    "maxProperties",
)  # fmt: skip
_RANGES: Final = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_FORMATS: Final = ("date", "date-time", "email", "hostname", "ipv4", "ipv6", "uri", "uuid")
"""Formats that both Kubernetes and JSON Schema check; any other is documentation only."""
_SENTENCES: Final = {
    "minimum": "should be greater than or equal to {}",
    "exclusiveMinimum": "should be greater than {}",
    "maximum": "should be less than or equal to {}",
    "exclusiveMaximum": "should be less than {}",
    "minItems": "should have at least {} items",
    "pattern": "should match '{}'",
}
"""What users meet most, in the words of a real API server."""


def json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`JSONSchemaProps` as a JSON Schema (draft 2020-12) that accepts the same values."""
    found: dict[str, Any] = {key: schema[key] for key in _SAME if schema.get(key) is not None}
    types = ["integer", "string"] if schema.get("x-kubernetes-int-or-string") else [schema.get("type")]
    if types[0]:
        found["type"] = [*types, "null"] if schema.get("nullable") else types
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if schema.get(bound) is not None:
            found[exclusive if schema.get(exclusive) else bound] = schema[bound]
    if schema.get("format") in _FORMATS:
        found["format"] = schema["format"]
    if types == ["integer"]:
        low, high = _RANGES.get(schema.get("format") or "", _RANGES["int64"])
        found["minimum"], found["maximum"] = max(low, found.get("minimum", low)), min(high, found.get("maximum", high))
    if schema.get("properties"):
        found["properties"] = {name: json_schema(child) for name, child in schema["properties"].items()}
    for key in ("items", "additionalProperties", "not"):
        if isinstance(schema.get(key), Mapping):
            found[key] = json_schema(schema[key])
    for key in ("allOf", "anyOf", "oneOf"):
        if schema.get(key):
            found[key] = [json_schema(child) for child in schema[key]]
    return found


class Values:
    """The check of a schema's values; `place` is where the checked value stands in its object."""

    def __init__(self, node: Node, place: str = "") -> None:
        self._place = place
        self._problem = ""
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                json_schema(node.source), validate_formats=True, pattern_options=jsonschema_rs.RegexOptions()
            )
        except ValidationError as error:
            where = "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in error.instance_path)
            self._problem = f"{where.lstrip('.')}: {error.message}"

    def problems(self, path: str) -> Iterator[FieldError]:
        if self._problem:
            yield errors.invalid(path, errors.OMIT, self._problem)

    def check(self, value: Any, correlated: Correlated) -> list[FieldError]:
        return [
            self._translate(error)
            for error in self._validator.iter_errors(value)
            if not correlated.tolerates(error.instance_path)
        ]

    def _translate(self, error: ValidationError) -> FieldError:
        path = self._place
        for step in error.instance_path:
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
        keyword = error.kind.name
        value: Any = error.instance
        match keyword:
            case "type":
                return errors.wrong_type(path, ",".join(error.kind.value), type_name(value))
            case "required":
                return errors.required(f"{path}.{error.kind.value}" if path else error.kind.value)
            case "enum":
                return errors.not_supported(path, value, error.kind.value)
            case "maxLength":
                return errors.too_long(path, error.kind.value)
            case "maxItems" | "maxProperties":
                return errors.too_many(path, len(value), error.kind.value)
        if keyword in _SENTENCES:
            shown = len(value) if keyword == "minItems" else value
            return errors.invalid(path, shown, f"{path} in body {_SENTENCES[keyword].format(error.kind.value)}")
        return errors.invalid(path, errors.OMIT, error.message)
