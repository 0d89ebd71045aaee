"""The CEL rules of a CustomResourceDefinition: when they run, and what their refusals say."""

from typing import Any

import pytest

from mnist_local.apiserver.schema import SchemaError, StructuralSchema
from mnist_local.apiserver.schema.cel import CelError, CompileError, Program

Json = dict[str, Any]
INT = {"type": "integer"}


def rule(text: str, **more: Any) -> Json:
    return {"x-kubernetes-validations": [{"rule": text, **more}]}


def compiled(field: Json, **spec: Any) -> StructuralSchema:
    spec = {"type": "object", "properties": {"f": field, "g": INT}, **spec}
    return StructuralSchema.compile({"type": "object", "properties": {"spec": spec}})


def texts(schema: StructuralSchema, spec: Json, old: Json | None = None) -> list[str]:
    return [str(error) for error in schema.validate({"spec": spec}, None if old is None else {"spec": old})]


def test_a_refusal_says_the_authors_sentence_or_the_rule() -> None:
    assert texts(compiled({**INT, **rule("self > 1")}), {"f": 0}) == ["spec.f: Invalid value: 0: failed rule: self > 1"]
    message = rule("self.f > 1", message="too small")
    assert texts(compiled(INT, **message), {"f": 0}) == ["spec: Invalid value: too small"]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("FieldValueInvalid", "spec.f: Invalid value: no"),
        ("FieldValueForbidden", "spec.f: Forbidden: no"),
        ("FieldValueRequired", "spec.f: Required value: no"),
    ],
)
def test_reason_and_field_path_are_the_authors(reason: str, expected: str) -> None:
    schema = compiled(INT, **rule("self.f > 1", message="no", reason=reason, fieldPath=".f"))
    [error] = schema.validate({"spec": {"f": 0}})
    assert (str(error), error.reason) == (expected, reason)


def test_a_rule_that_fails_to_run_refuses_and_is_named() -> None:
    schema = compiled({"type": "object", "additionalProperties": {"type": "string"}, **rule("self['a'] == 'x'")})
    [text] = texts(schema, {"f": {}})
    assert text == "spec.f: Invalid value: no such key: a evaluating rule: failed rule: self['a'] == 'x'"


def test_rules_wait_until_types_are_right() -> None:
    found = texts(compiled({**INT, **rule("self > 1")}), {"f": "x"})
    assert "some validation rules were not checked because the object was invalid" in found[-1]
    assert not any("failed rule" in text for text in found)


def test_what_is_absent_or_null_is_not_checked() -> None:
    schema = compiled({**INT, "nullable": True, **rule("self > 1")})
    assert texts(schema, {"f": None}) == texts(schema, {}) == []


def test_a_transition_rule_needs_a_past() -> None:
    schema = compiled({**INT, **rule("self == oldSelf", message="immutable")})
    assert texts(schema, {"f": 1}) == texts(schema, {"f": 1}, old={}) == texts(schema, {"f": 1}, old={"f": 1}) == []
    assert texts(schema, {"f": 2}, old={"f": 1}) == ["spec.f: Invalid value: 2: immutable"]


def test_a_transition_rule_on_the_parent_sees_a_field_come_and_go() -> None:
    schema = compiled(INT, **rule("has(self.f) == has(oldSelf.f) && (!has(self.f) || self.f == oldSelf.f)"))
    assert len(texts(schema, {"f": 1}, old={})) == len(texts(schema, {}, old={"f": 1})) == 1
    assert texts(schema, {"f": 1}, old={"f": 1}) == []


def test_items_of_a_map_list_find_their_past_by_key() -> None:
    item = {
        "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "n": INT},
        **rule("self.n == oldSelf.n", message="immutable"),
    }  # fmt: skip
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    schema = compiled({"type": "array", "items": item, **keyed})
    old = {"f": [{"name": "a", "n": 1}, {"name": "b", "n": 2}]}
    assert texts(schema, {"f": [{"name": "b", "n": 2}, {"name": "c", "n": 9}]}, old) == []
    assert texts(schema, {"f": [{"name": "b", "n": 3}]}, old) == ["spec.f[0]: Invalid value: immutable"]


def test_a_stricter_rule_leaves_alone_what_does_not_change() -> None:
    schema = compiled({**INT, **rule("self > 1", message="f")}, **rule("self.f > 1", message="spec"))
    assert texts(schema, {"f": 0}, old={"f": 0}) == []
    assert texts(schema, {"f": 0, "g": 2}, old={"f": 0, "g": 1}) == ["spec: Invalid value: spec"]
    assert len(texts(schema, {"f": 0}, old={"f": 1})) == 2
    whole = compiled({"type": "array", "items": {**INT, **rule("self > 1")}})
    assert texts(whole, {"f": [0], "g": 2}, old={"f": [0], "g": 1}) == [], "a list without keys, as it was"


def test_a_rule_at_the_root_sees_the_name() -> None:
    schema = StructuralSchema.compile({"type": "object", **rule("self.metadata.name.size() <= 3", message="long")})
    obj = {"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "abcd"}}
    assert [str(error) for error in schema.validate(obj)] == ["<nil>: Invalid value: long"]


@pytest.mark.parametrize(
    ("more", "place", "sentence"),
    [
        ({"rule": "self.f +"}, "rule", "Syntax error"),
        ({"rule": "nope == 1"}, "rule", "undeclared reference to 'nope'"),
        ({"rule": "1"}, "rule", "must evaluate to a bool"),
        ({"rule": "true", "reason": "Nope"}, "reason", "must be one of"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_with_its_definition(more: Json, place: str, sentence: str) -> None:
    with pytest.raises(SchemaError) as refused:
        compiled(INT, **{"x-kubernetes-validations": [more]})
    [error] = refused.value.errors
    assert error.path == f"spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].{place}"
    assert sentence in error.message


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("self.a > 0.5 && self.a < 2.5", True),
        ("'b' in self && self.b.matches('^[a-z]+$')", True),
        ("self.?none.orValue('x')", "x"),
        ("!(self.b in ['head', 'workers'])", True),
        ("self.c.all(k, self.c[k] > 0) && self.c.exists(k, k == 'n')", True),
        ("{'n': self.c.n, 'l': [1, 'two', null]}", {"n": 1, "l": [1, "two", None]}),
        ("object.?status.?phase == oldObject.?status.?phase", False),
    ],
)
def test_expressions_work_on_plain_json(expression: str, value: Any) -> None:
    seen = {"self": {"a": 1, "b": "xyz", "c": {"n": 1}}, "object": {"status": {"phase": "Up"}}, "oldObject": {}}
    assert Program.compile(expression).evaluate(seen) == value


def test_failures_of_expressions_are_exceptions_of_their_own() -> None:
    with pytest.raises(CompileError, match="Syntax error"):
        Program.compile("object. == 1")
    with pytest.raises(CelError, match="no such key: missing"):
        Program.compile("object.missing == 1").evaluate({"object": {}})
    with pytest.raises(CelError, match="no such overload"):
        Program.compile("object.a + 'x' == 'y'").evaluate({"object": {"a": 1}})
