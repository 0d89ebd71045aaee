"""The converter from pydantic models to structural schemas: one test for each thing a CRD does not accept."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Any

import pytest
from pydantic import ConfigDict, Field

from mnist_operator.api.fields import FROZEN, ApiModel, Quantity, cel, unchanged, validations
from mnist_operator.api.schema import Defaults, UnsupportedSchemaError, structural_schema


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(ApiModel):
    size_limit: Annotated[int, Field(ge=1, le=9, description="How large.", json_schema_extra=FROZEN)] = 3
    width: Annotated[int, Field(ge=1, le=9, description="How wide.")] = 4


class Outer(ApiModel):
    model_config = ConfigDict(json_schema_extra=validations(cel("self.inner.sizeLimit > 0", "must be positive")))

    colour: Colour = Colour.RED
    maybe: Annotated[int | None, Field(ge=0, le=5)] = None
    inner: Inner = Field(default_factory=Inner)
    maybe_inner: Inner | None = None
    rate: Annotated[float, Field(gt=0, lt=1)] = 0.5
    big: Annotated[int, Field(ge=0, le=2**40)] = 0
    memory: Quantity = "1Gi"
    free: Annotated[dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})] = {}
    labels: Annotated[dict[str, Annotated[str, Field(max_length=5)]], Field(max_length=3)] = {}
    names: Annotated[list[Annotated[str, Field(max_length=4)]], Field(max_length=2)] = []


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return structural_schema(Outer)


def test_references_are_inlined_and_titles_dropped(schema: dict[str, Any]) -> None:
    text = repr(schema)
    assert "$ref" not in text
    assert "$defs" not in text
    assert "title" not in text


def test_names_are_camel_case(schema: dict[str, Any]) -> None:
    assert schema["properties"]["inner"]["properties"]["sizeLimit"]["default"] == 3


def test_enums_are_strings_with_their_values(schema: dict[str, Any]) -> None:
    assert schema["properties"]["colour"] == {
        "type": "string",
        "enum": ["red", "blue"],
        "description": "Default: `red`.",
    }


def test_optional_is_neither_anyof_nor_nullable(schema: dict[str, Any]) -> None:
    """An explicit null is then dropped by the API server, so null and absent are the same to every rule."""
    assert schema["properties"]["maybe"] == {"type": "integer", "format": "int32", "minimum": 0, "maximum": 5}
    assert "nullable" not in repr(schema)
    assert "anyOf" not in repr(schema)


def test_optional_objects_have_no_default(schema: dict[str, Any]) -> None:
    assert "default" not in schema["properties"]["maybeInner"]


def test_objects_with_defaults_inside_have_them_spelled_out(schema: dict[str, Any]) -> None:
    assert schema["properties"]["inner"]["default"] == {"sizeLimit": 3}
    every = structural_schema(Outer, defaults=Defaults.ALL)
    assert every["properties"]["inner"]["default"] == {"sizeLimit": 3, "width": 4}
    assert every["properties"]["colour"]["default"] == "red"


def test_defaults_that_are_not_frozen_are_only_told(schema: dict[str, Any]) -> None:
    inner = schema["properties"]["inner"]["properties"]
    assert (inner["sizeLimit"]["default"], inner["sizeLimit"]["description"]) == (3, "How large. Default: `3`.")
    assert "default" not in inner["width"]
    assert inner["width"]["description"] == "How wide. Default: `4`."
    assert "x-frozen" not in repr(schema)
    assert "description" not in schema["properties"]["labels"], "there is nothing to say of an empty default"


def test_exclusive_bounds_are_flags(schema: dict[str, Any]) -> None:
    rate = schema["properties"]["rate"]
    assert (rate["minimum"], rate["exclusiveMinimum"], rate["maximum"], rate["exclusiveMaximum"]) == (0, True, 1, True)


def test_integers_beyond_32_bits_say_so(schema: dict[str, Any]) -> None:
    assert schema["properties"]["big"]["format"] == "int64"


def test_quantities_are_int_or_string_without_a_type(schema: dict[str, Any]) -> None:
    memory = schema["properties"]["memory"]
    assert memory["x-kubernetes-int-or-string"] is True
    assert "type" not in memory
    assert "anyOf" not in memory


def test_free_form_objects_keep_unknown_fields(schema: dict[str, Any]) -> None:
    free = schema["properties"]["free"]
    assert free["x-kubernetes-preserve-unknown-fields"] is True
    assert "additionalProperties" not in free


def test_maps_and_lists_keep_their_bounds(schema: dict[str, Any]) -> None:
    assert schema["properties"]["labels"]["maxProperties"] == 3
    assert schema["properties"]["labels"]["additionalProperties"] == {"type": "string", "maxLength": 5}
    assert schema["properties"]["names"]["maxItems"] == 2


def test_additional_properties_false_is_dropped() -> None:
    class Closed(ApiModel):
        model_config = ConfigDict(extra="forbid")
        size: int = 1

    assert "additionalProperties" not in structural_schema(Closed)


def test_cel_rules_are_kept(schema: dict[str, Any]) -> None:
    assert schema["x-kubernetes-validations"][0]["rule"] == "self.inner.sizeLimit > 0"


def test_transition_rules_on_optional_fields_stand_on_the_parent() -> None:
    rule = unchanged("a", "no")["rule"]
    assert rule == "has(self.a) == has(oldSelf.a) && (!has(self.a) || self.a == oldSelf.a)"


def test_status_schemas_carry_no_defaults() -> None:
    assert "default" not in repr(structural_schema(Outer, defaults=Defaults.NONE))


def test_unions_are_refused_by_name() -> None:
    class Both(ApiModel):
        value: int | str = 1

    with pytest.raises(UnsupportedSchemaError, match=r"\.value: a union of types"):
        structural_schema(Both)


def test_recursion_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedSchemaError, match=r"\.child.*contains itself"):
        structural_schema(Node)


class Node(ApiModel):
    child: Node | None = None


def test_infinite_bounds_are_refused() -> None:
    class Wide(ApiModel):
        value: Annotated[float, Field(json_schema_extra={"maximum": math.inf})] = 1.0

    with pytest.raises(UnsupportedSchemaError, match="maximum must be finite"):
        structural_schema(Wide)
