"""Turn a pydantic model into a *structural* schema, the subset of OpenAPI v3 that a CRD accepts.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

import copy
import json
import math
from enum import Enum
from typing import Any

from pydantic import BaseModel

from mnist_operator.api.fields import FROZEN_MARK

JsonSchema = dict[str, Any]

_SCALAR_KEYWORDS = (
    "description",
    "enum",
    "format",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "maxProperties",
    "minProperties",
)
_INT32_MAX = 2**31 - 1


class UnsupportedSchemaError(ValueError):
    """A model says something that a structural schema cannot express."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path or '<root>'}: {what}")


class Defaults(Enum):
    """Which defaults of a model its schema carries."""

    NONE = "none"
    FROZEN = "frozen"
    """Those marked FROZEN, which the API server writes; the description tells all of them."""
    ALL = "all"


def structural_schema(model: type[BaseModel], *, defaults: Defaults = Defaults.FROZEN) -> JsonSchema:
    """Return the structural schema of `model`.

    Args:
        model: the model; field names appear by their alias.
        defaults: which defaults to carry. An optional sub-object gets those of its fields as its own default, so that
            they apply when it is left out. They are spelled out: the API server runs an object's CEL rules on its
            default as it stands, and a bare `{}` there has none of the fields that the rules read.

    A field that may be None, or that has a default, is optional, never `nullable`: the API server then drops an
    explicit null before it fills in defaults, and null and absent are one and the same to CEL rules, to
    `self == oldSelf` and to enums (which would refuse a null).

    Raises:
        UnsupportedSchemaError: naming the field that cannot be expressed.
    """
    document = model.model_json_schema(by_alias=True, mode="validation")
    return _Converter(document.get("$defs", {}), defaults=defaults).convert(document, "")


class _Converter:
    def __init__(self, definitions: dict[str, JsonSchema], *, defaults: Defaults) -> None:
        self._definitions = definitions
        self._defaults = defaults
        self._open: list[str] = []

    def convert(self, node: JsonSchema, path: str) -> JsonSchema:
        node = self._without_null(node, path)
        reference = node.get("$ref")
        if reference is not None:
            return self._resolved(reference, node, path)

        out: JsonSchema = {key: node[key] for key in _SCALAR_KEYWORDS if key in node}
        out.update({key: copy.deepcopy(value) for key, value in node.items() if key.startswith("x-kubernetes-")})
        if "const" in node:
            out["enum"] = [node["const"]]
        if node.get("x-kubernetes-int-or-string"):
            out.pop("maxLength", None)  # would have to stand in an anyOf branch; CEL never looks at these
        else:
            out["type"] = self._type(node, path)
        self._numbers(node, out, path)
        if out.get("type") == "array":
            out["items"] = self.convert(node["items"], f"{path}[]")
        if out.get("type") == "object":
            self._object(node, out, path)
        self._default(node, out, path)
        return out

    def _without_null(self, node: JsonSchema, path: str) -> JsonSchema:
        """Fold `anyOf: [X, null]` into X; nothing else of anyOf, oneOf and allOf may stay."""
        for keyword in ("oneOf", "allOf", "not"):
            if keyword in node:
                raise UnsupportedSchemaError(path, f"{keyword} is not structural here")
        branches = node.get("anyOf")
        if branches is None:
            return node
        rest = {key: value for key, value in node.items() if key != "anyOf"}
        if rest.get("x-kubernetes-int-or-string"):
            return rest
        others = [branch for branch in branches if branch.get("type") != "null"]
        if len(others) == len(branches):
            raise UnsupportedSchemaError(path, "a union of types is not structural; use one type")
        if len(others) == 1:
            return {**others[0], **rest}
        return self._without_null({"anyOf": others, **rest}, path)

    def _resolved(self, reference: str, node: JsonSchema, path: str) -> JsonSchema:
        name = reference.removeprefix("#/$defs/")
        if name in self._open:
            raise UnsupportedSchemaError(path, f"{name} contains itself; a structural schema has no $ref")
        self._open.append(name)
        merged = {**self._definitions[name], **{key: value for key, value in node.items() if key != "$ref"}}
        out = self.convert(merged, path)
        self._open.pop()
        return out

    @staticmethod
    def _type(node: JsonSchema, path: str) -> str:
        kind = node.get("type")
        if isinstance(kind, str) and kind != "null":
            return kind
        if node.get("enum"):
            return "string"
        raise UnsupportedSchemaError(path, "has no single type")

    @staticmethod
    def _numbers(node: JsonSchema, out: JsonSchema, path: str) -> None:
        for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if exclusive in node:  # JSON Schema has a number here, OpenAPI v3.0 a flag beside the bound
                out[bound] = node[exclusive]
                out[exclusive] = True
        for bound in ("minimum", "maximum"):
            if bound in out and not math.isfinite(out[bound]):
                raise UnsupportedSchemaError(path, f"{bound} must be finite")
        if out.get("type") == "integer":
            largest = max(abs(out.get("minimum", 0)), abs(out.get("maximum", _INT32_MAX + 1)))
            out.setdefault("format", "int32" if largest <= _INT32_MAX else "int64")
        elif out.get("type") == "number":
            out.setdefault("format", "double")

    def _object(self, node: JsonSchema, out: JsonSchema, path: str) -> None:
        properties = node.get("properties")
        values = node.get("additionalProperties")
        if properties:
            out["properties"] = {name: self.convert(child, f"{path}.{name}") for name, child in properties.items()}
            if node.get("required"):
                out["required"] = sorted(node["required"])
        elif isinstance(values, dict) and values and not out.get("x-kubernetes-preserve-unknown-fields"):
            out["additionalProperties"] = self.convert(values, f"{path}{{}}")

    def _default(self, node: JsonSchema, out: JsonSchema, path: str) -> None:
        if self._defaults is Defaults.NONE:
            return
        default = node.get("default")
        if isinstance(default, float) and not math.isfinite(default):
            raise UnsupportedSchemaError(path, "default must be finite")
        if default is not None:
            if self._defaults is Defaults.ALL or node.get(FROZEN_MARK):
                out["default"] = default
            if self._defaults is Defaults.FROZEN and default not in ([], {}):
                text = default if isinstance(default, str) else json.dumps(default)
                out["description"] = f"{out.get('description', '')} Default: `{text}`.".lstrip()
        elif path and "default" not in node and "properties" in out and not out.get("required"):
            fields = out["properties"].items()
            inner = {name: copy.deepcopy(field["default"]) for name, field in fields if "default" in field}
            if inner:
                out["default"] = inner
