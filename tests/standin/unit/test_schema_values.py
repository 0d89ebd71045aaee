"""What a CustomResourceDefinition's schema does to objects: nulls, defaults, pruning, types and bounds, uniqueness."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_local.apiserver.schema import SchemaError, StructuralSchema
from mnist_local.apiserver.schema.node import copy

Json = dict[str, Any]


def schema_of(**fields: Json) -> StructuralSchema:
    spec = {"type": "object", "properties": fields}
    return StructuralSchema.compile({"type": "object", "properties": {"spec": spec}})


def messages(field: Json, value: Any, old: Any = ...) -> list[str]:
    former = None if old is ... else {"spec": {"f": old}}
    return [str(error) for error in schema_of(f=field).validate({"spec": {"f": value}}, former)]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ({"type": "integer", "minimum": 1}, 0, "Invalid value: 0: spec.f in body should be greater than or equal to 1"),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, 1,
         "Invalid value: 1: spec.f in body should be greater than 1"),
        ({"type": "number", "maximum": 0.5}, 0.75,
         "Invalid value: 0.75: spec.f in body should be less than or equal to 0.5"),
        ({"type": "integer", "multipleOf": 2}, 3, "3 is not a multiple of 2"),
        ({"type": "integer"}, "x", 'Invalid value: "string": spec.f in body must be of type integer: "string"'),
        ({"type": "integer"}, True, 'Invalid value: "boolean": spec.f in body must be of type integer: "boolean"'),
        ({"type": "integer"}, 1.5, 'Invalid value: "number": spec.f in body must be of type integer: "number"'),
        ({"type": "string"}, None, 'Invalid value: "null": spec.f in body must be of type string: "null"'),
        ({"type": "string", "enum": ["a", "b"]}, "x", 'Unsupported value: "x": supported values: "a", "b"'),
        ({"type": "string", "maxLength": 2}, "abc", "Too long: may not be more than 2 bytes"),
        ({"type": "string", "minLength": 2}, "a", '"a" is shorter than 2 characters'),
        ({"type": "string", "pattern": "^a+$"}, "b", "Invalid value: \"b\": spec.f in body should match '^a+$'"),
        ({"type": "string", "format": "date-time"}, "x",
         '"x" is not a "date-time"'),
        ({"type": "integer", "format": "int32"}, 2**31,
         "Invalid value: 2147483648: spec.f in body should be less than or equal to 2147483647"),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 1}, ["a", "b"],
         "Too many: 2: must have at most 1 item"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1}, [],
         "Invalid value: 0: spec.f in body should have at least 1 items"),
        ({"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 0}, {"a": "b"},
         "Too many: 1: must have at most 0 items"),
        ({"x-kubernetes-int-or-string": True}, True,
         'Invalid value: "boolean": spec.f in body must be of type integer,string: "boolean"'),
        ({"type": "object", "not": {"required": ["a"]}, "properties": {"a": {"type": "string"}}}, {"a": "b"},
         "is not allowed for"),
    ],
)  # fmt: skip
def test_what_breaks_a_bound_is_named_with_its_place_and_the_bound(field: Json, value: Any, message: str) -> None:
    [found] = messages(field, value)
    assert found.startswith("spec.f: ")
    assert message in found


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ({"type": "integer"}, 2.0),
        ({"type": "number"}, 2),
        ({"type": "string", "nullable": True}, None),
        ({"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}, "50%"),
        ({"x-kubernetes-int-or-string": True}, 3),
        ({"x-kubernetes-preserve-unknown-fields": True}, {"any": [1, "x"]}),
        ({"type": "string", "format": "made-up"}, "anything"),
        ({"type": "string", "maxLength": 2}, "éé"),
        ({"type": "integer", "format": "int64"}, 2**62),
    ],
)
def test_what_fits_is_accepted(field: Json, value: Any) -> None:
    assert messages(field, value) == []


def test_required_fields_and_places_in_lists_and_maps() -> None:
    labels = {"type": "object", "additionalProperties": {"type": "string"}}
    item = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "labels": labels}}
    schema = schema_of(f={"type": "array", "items": item})
    found = schema.validate({"spec": {"f": [{"name": "a"}, {"labels": {"x": 1}}]}})
    assert {(e.path, e.reason) for e in found} == {
        ("spec.f[1].labels.x", "FieldValueTypeInvalid"),
        ("spec.f[1].name", "FieldValueRequired"),
    }


def test_a_status_write_is_held_to_the_status_alone() -> None:
    status = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}
    spec = {"type": "object", "required": ["x"], "properties": {"x": {"type": "string"}}}
    schema = StructuralSchema.compile({"type": "object", "properties": {"spec": spec, "status": status}})
    [error] = schema.validate({"spec": {}, "status": {"n": 0}}, {"spec": {}, "status": {}}, "status")
    assert error.path == "status.n"


def test_what_was_wrong_before_may_stay_wrong_on_an_update() -> None:
    field = {"type": "object", "properties": {"a": {"type": "integer", "maximum": 1}, "b": {"type": "string"}}}
    assert messages(field, {"a": 5, "b": "new"}, old={"a": 5, "b": "old"}) == []
    assert len(messages(field, {"a": 6}, old={"a": 5})) == 1
    item = {
        "type": "object",
        "required": ["k"],
        "properties": {"k": {"type": "string"}, "n": {**field["properties"]["a"]}},
    }
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    bad, other = {"k": "a", "n": 5}, {"k": "b", "n": 0}
    assert messages({"type": "array", "items": item, **keyed}, [other, bad], old=[bad]) == []
    assert len(messages({"type": "array", "items": item}, [other, bad], old=[bad])) == 1, "items have no identity"


def test_items_of_sets_and_keys_of_map_lists_are_unique() -> None:
    as_set = {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}
    assert messages(as_set, ["a", "b", "a", "a"]) == ['spec.f[2]: Duplicate value: "a"']
    assert messages(as_set, ["a", "a"], old=["a", "a"]) == [], "an old fault is tolerated"
    properties = {"k": {"type": "string"}, "p": {"type": "string", "default": "TCP"}}
    item = {"type": "object", "required": ["k"], "properties": properties}
    as_map = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "p"]}
    assert messages(as_map, [{"k": "a", "p": "x"}] * 2) == ['spec.f[1]: Duplicate value: {"k":"a","p":"x"}']
    assert messages(as_map, [{"k": "a", "p": "x"}, {"k": "a", "p": "y"}]) == []


NESTED: Json = {
    "type": "object",
    "default": {},
    "properties": {"a": {"type": "integer", "default": 1}, "b": {"type": "string"}},
}


def test_defaults_go_into_defaults_but_need_a_parent() -> None:
    obj: Json = {"spec": {}}
    schema_of(n=NESTED).default(obj)
    assert obj == {"spec": {"n": {"a": 1}}}
    nothing: Json = {}
    schema_of(n=NESTED).default(nothing)
    assert nothing == {}


def test_a_default_is_a_copy() -> None:
    schema = schema_of(n={"type": "array", "items": {"type": "string"}, "default": ["a"]})
    first: Json = {"spec": {}}
    second: Json = {"spec": {}}
    schema.default(first)
    first["spec"]["n"].append("b")
    schema.default(second)
    assert second == {"spec": {"n": ["a"]}}


def test_a_null_goes_or_becomes_the_default_unless_it_is_allowed() -> None:
    schema = schema_of(
        defaulted={"type": "integer", "default": 3},
        nullable={"type": "integer", "nullable": True, "default": 3},
        plain={"type": "string"},
    )
    obj: Json = {"spec": {"defaulted": None, "nullable": None, "plain": None, "unknown": None}}
    schema.default(obj)
    assert obj == {"spec": {"defaulted": 3, "nullable": None, "unknown": None}}


def test_pruning_names_what_it_takes_and_keeps_what_it_must() -> None:
    schema = schema_of(
        known={"type": "object", "properties": {"a": {"type": "string"}}},
        items={"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
        free={
            "type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"strict": {"type": "object"}}
        },
        labels={"type": "object", "additionalProperties": {"type": "string"}},
    )  # fmt: skip
    kept = {
        "apiVersion": "v1", "kind": "K", "metadata": {"name": "x"},
        "spec": {
            "known": {"a": "1"}, "items": [{"name": "x"}], "free": {"any": {"thing": 1}, "strict": {}},
            "labels": {"kept": "x"},
        },
    }  # fmt: skip
    obj = copy(kept)
    obj["extra"] = obj["spec"]["known"]["b"] = obj["spec"]["items"][0]["y"] = obj["spec"]["free"]["strict"]["gone"] = 1
    assert schema.prune(obj) == ["extra", "spec.free.strict.gone", "spec.items[0].y", "spec.known.b"]
    assert obj == kept


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abn"), inner, max_size=3),
    max_leaves=10,
)
ANY = schema_of(a=NESTED, b={"type": "array", "items": NESTED}, n={"type": "integer", "default": 2, "maximum": 2})


@given(VALUES)
def test_defaulting_and_pruning_twice_is_doing_it_once(value: Any) -> None:
    obj = {"spec": copy(value)}
    ANY.prune(obj)
    ANY.default(obj)
    once = copy(obj)
    assert ANY.prune(obj) == []
    ANY.default(obj)
    assert obj == once


@given(VALUES)
def test_whatever_is_stored_can_be_stored_again(value: Any) -> None:
    obj = {"spec": value}
    assert ANY.validate(obj, copy(obj)) == []


@pytest.mark.parametrize("field", [{"type": "string", "pattern": "("}, {"type": "string", "maxLength": "x"}])
def test_a_bound_that_makes_no_sense_is_refused(field: Json) -> None:
    with pytest.raises(SchemaError, match=r"properties\.spec\.properties\.f\.(pattern|maxLength)"):
        schema_of(f=field)
