import pytest

from mnist_local.apiserver.schema import SchemaError, StructuralSchema

P = "spec.validation.openAPIV3Schema"


def compiled(field, **spec):
    return StructuralSchema.compile(
        {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": {"f": field}, **spec}},
        }
    )


def rule(text, **more):
    return {"x-kubernetes-validations": [{"rule": text, **more}]}


def texts(schema, spec, old=None):
    before = None if old is None else {"spec": old}
    return [str(e) for e in schema.validate({"spec": spec}, before)]


INT = {"type": "integer"}
OBJECT_WITH_N = {"type": "object", "properties": {"n": INT}}


def test_messages():
    assert texts(compiled({**INT, **rule("self > 1")}), {"f": 0}) == ["spec.f: Invalid value: 0: failed rule: self > 1"]
    assert texts(compiled(INT, **rule("self.f > 1", message="too small")), {"f": 0}) == [
        "spec: Invalid value: too small"
    ]
    by_expression = rule("self.f > 1", message="x", messageExpression="'want more than %d'.format([self.f])")
    assert texts(compiled(INT, **by_expression), {"f": 0}) == ["spec: Invalid value: want more than 0"]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("FieldValueInvalid", "spec.f: Invalid value: no"),
        ("FieldValueForbidden", "spec.f: Forbidden: no"),
        ("FieldValueRequired", "spec.f: Required value: no"),
    ],
)
def test_reason_and_field_path(reason, expected):
    schema = compiled(INT, **rule("self.f > 1", message="no", reason=reason, fieldPath=".f"))
    [error] = schema.validate({"spec": {"f": 0}})
    assert str(error) == expected
    assert error.reason == reason


def test_an_empty_message_expression_falls_back():
    schema = compiled(INT, **rule("self.f > 1", message="fixed", messageExpression="self.f == 0 ? '' : 'x'"))
    assert texts(schema, {"f": 0}) == ["spec: Invalid value: fixed"]


def test_runtime_errors_name_the_rule():
    schema = compiled({"type": "object", "additionalProperties": {"type": "string"}, **rule("self['a'] == 'x'")})
    assert texts(schema, {"f": {}}) == [
        "spec.f: Invalid value: \"object\": no such key: a evaluating rule: self['a'] == 'x'"
    ]


def test_rules_are_skipped_while_types_are_wrong():
    schema = compiled({**INT, **rule("self > 1")})
    assert texts(schema, {"f": "x"})[-1] == (
        "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; "
        "correct the existing errors to complete validation"
    )


def test_null_is_not_checked_and_absent_is_not_checked():
    schema = compiled({**INT, "nullable": True, **rule("self > 1")})
    assert texts(schema, {"f": None}) == []
    assert texts(schema, {}) == []


class TestTransitions:
    IMMUTABLE = compiled({**INT, **rule("self == oldSelf", message="immutable")})

    def test_do_not_run_without_an_old_value(self):
        assert texts(self.IMMUTABLE, {"f": 1}) == []
        assert texts(self.IMMUTABLE, {"f": 1}, old={}) == []

    def test_run_with_one(self):
        assert texts(self.IMMUTABLE, {"f": 2}, old={"f": 1}) == ["spec.f: Invalid value: 2: immutable"]
        assert texts(self.IMMUTABLE, {"f": 1}, old={"f": 1}) == []

    def test_on_the_parent_they_see_fields_come_and_go(self):
        schema = compiled(INT, **rule("has(self.f) == has(oldSelf.f) && (!has(self.f) || self.f == oldSelf.f)"))
        assert len(texts(schema, {"f": 1}, old={})) == 1
        assert len(texts(schema, {}, old={"f": 1})) == 1
        assert texts(schema, {"f": 1}, old={"f": 1}) == []

    def test_optional_old_self_runs_on_creation(self):
        schema = compiled(
            {**INT, **rule("!oldSelf.hasValue() || self >= oldSelf.value()", optionalOldSelf=True, message="shrinks")}
        )
        assert texts(schema, {"f": 1}) == []
        assert texts(schema, {"f": 1}, old={"f": 2}) == ["spec.f: Invalid value: 1: shrinks"]

    def test_items_of_map_lists_are_matched_by_key(self):
        item = {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string"}, "n": INT},
            **rule("self.n == oldSelf.n", message="immutable"),
        }
        keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        schema = compiled({"type": "array", "maxItems": 5, "items": item, **keyed})
        old = {"f": [{"name": "a", "n": 1}, {"name": "b", "n": 2}]}
        assert texts(schema, {"f": [{"name": "b", "n": 2}, {"name": "c", "n": 9}]}, old) == []
        assert texts(schema, {"f": [{"name": "b", "n": 3}]}, old) == ["spec.f[0]: Invalid value: immutable"]

    def test_old_self_is_refused_where_items_have_no_identity(self):
        with pytest.raises(
            SchemaError, match="oldSelf cannot be used on the uncorrelatable portion of the schema within"
        ):
            compiled({"type": "array", "maxItems": 5, "items": {**INT, **rule("self == oldSelf")}})


class TestRatcheting:
    def test_unchanged_failures_are_tolerated(self):
        schema = compiled({**INT, **rule("self > 1")}, **rule("self.f < 100"))
        assert texts(schema, {"f": 0}, old={"f": 0}) == []
        assert len(texts(schema, {"f": 0}, old={"f": 1})) == 1

    def test_a_change_beside_the_value_runs_the_parents_rule_only(self):
        schema = StructuralSchema.compile(
            {
                "type": "object",
                "properties": {
                    "spec": {
                        "type": "object",
                        "properties": {"f": {**INT, **rule("self > 1", message="f")}, "g": INT},
                        **rule("self.f > 1", message="spec"),
                    }
                },
            }
        )
        assert texts(schema, {"f": 0, "g": 2}, old={"f": 0, "g": 1}) == ["spec: Invalid value: spec"]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("self.g > 1", "compilation failed: ERROR: <input>:1:5: undefined field 'g'\n | self.g > 1\n | ....^"),
        (
            "self.f > 'a'",
            "compilation failed: ERROR: <input>:1:8: found no matching overload for '_>_' applied to '(int, string)'\n"
            " | self.f > 'a'\n | .......^",
        ),
        ("self.f", "cel expression must evaluate to a bool"),
        ("self.f +", "compilation failed: ERROR: <input>:1:9: Syntax error"),
        ("nope == 1", "compilation failed: ERROR: <input>:1:1: undeclared reference to 'nope' (in container '')"),
    ],
)
def test_rules_must_compile(text, detail):
    with pytest.raises(SchemaError) as refused:
        compiled(INT, **rule(text))
    [error] = refused.value.errors
    assert error.path == f"{P}.properties[spec].x-kubernetes-validations[0].rule"
    assert detail in error.message


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"message": "a\nb"}, "message"),
        ({"messageExpression": " "}, "messageExpression"),
        ({"messageExpression": "1"}, "messageExpression"),
        ({"reason": "Nope"}, "reason"),
        ({"fieldPath": ".nope"}, "fieldPath"),
        ({"optionalOldSelf": True}, "optionalOldSelf"),
    ],
)
def test_what_else_a_rule_must_be(more, path):
    with pytest.raises(SchemaError) as refused:
        compiled(INT, **rule("self.f > 1", **more))
    assert [e.path for e in refused.value.errors] == [f"{P}.properties[spec].x-kubernetes-validations[0].{path}"]


class TestCost:
    LIST = {"type": "array", "items": {"type": "string"}}

    def test_unbounded_nested_loops_are_refused(self):
        with pytest.raises(SchemaError) as refused:
            compiled({**self.LIST, **rule("self.all(x, self.exists_one(y, y == x))")})
        assert (
            f"{P}.properties[spec].properties[f].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost "
            "exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, "
            "and maxLength where arrays, maps, and strings are declared)"
        ) in [str(e) for e in refused.value.errors]

    def test_bounded_ones_are_not(self):
        bounded = {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 30}}
        compiled({**bounded, **rule("self.all(x, self.exists_one(y, y == x))")})

    def test_a_rule_on_items_counts_once_for_each(self):
        item = {"type": "string", "maxLength": 10_000, **rule("self.contains('some text that is looked for')")}
        compiled({"type": "array", "maxItems": 10, "items": item})
        with pytest.raises(SchemaError, match="estimated rule cost exceeds budget"):
            compiled({"type": "array", "maxItems": 10_000, "items": item})

    def test_unbounded_lists_of_cheap_rules_are_refused_too(self):
        with pytest.raises(SchemaError, match="estimated rule cost exceeds budget"):
            compiled({"type": "array", "items": {"type": "string", **rule("self.contains('some longer text')")}})


class TestDefaults:
    @pytest.mark.parametrize(
        ("field", "detail"),
        [
            ({**INT, "default": "x"}, 'must be of type integer: "string"'),
            ({**INT, "minimum": 1, "default": 0}, "should be greater than or equal to 1"),
            ({"type": "object", "properties": {}, "default": {"a": 1}}, "must not have unknown fields"),
            ({**INT, "default": 0, **rule("self > 1")}, "failed rule: self > 1"),
        ],
    )
    def test_must_be_valid(self, field, detail):
        with pytest.raises(SchemaError) as refused:
            compiled(field)
        [error] = refused.value.errors
        assert error.path == f"{P}.properties[spec].properties[f].default"
        assert detail in error.message


@pytest.mark.parametrize(
    ("field", "text", "good", "bad"),
    [
        (
            {"type": "string", "format": "date-time"},
            "self > timestamp('2020-01-01T00:00:00Z')",
            "2021-01-01T00:00:00Z",
            "2019-01-01T00:00:00Z",
        ),
        ({"type": "string", "format": "date"}, "self.getFullYear() == 2024", "2024-02-03", "2023-02-03"),
        ({"type": "string", "format": "duration"}, "self <= duration('1h')", "59m", "1h1s"),
        ({"type": "string", "format": "byte"}, "self.size() == 3", "YWJj", "YWI="),
        ({"type": "number"}, "self / 2.0 == 0.5", 1, 2),
        ({"type": "number"}, "self > 1", 2, 1),
        ({"x-kubernetes-int-or-string": True}, "type(self) == int ? self < 5 : self.endsWith('%')", "50%", 7),
        ({"type": "string"}, "isQuantity(self) && quantity(self).isLessThan(quantity('1Gi'))", "512Mi", "2Gi"),
        ({"type": "string"}, "isURL(self) && url(self).getScheme() == 'https'", "https://a/b", "http://a/b"),
        ({"type": "string"}, "isIP(self) && cidr('10.0.0.0/8').containsIP(self)", "10.1.2.3", "11.1.2.3"),
        ({"type": "string"}, "self.matches('^[a-z]+$')", "abc", "ab1"),
        ({"type": "array", "items": INT, "maxItems": 9}, "self.all(x, x > 0) && self.sum() < 10", [1, 2], [9, 9]),
        ({"type": "array", "items": INT, "maxItems": 9}, "self.isSorted() && self.exists(i, v, i == v)", [0, 5], [5]),
        (
            {"type": "object", "properties": {"a-b": INT, "namespace": INT, "x__y": INT}},
            "self.a__dash__b == 1 && self.__namespace__ == 2 && self.x__underscores__y == 3",
            {"a-b": 1, "namespace": 2, "x__y": 3},
            {"a-b": 1, "namespace": 2, "x__y": 4},
        ),
        ({"type": "object", "properties": {"a": INT}}, "self.?a.orValue(1) == 1", {}, {"a": 2}),
        ({"type": "object", "properties": {"a": INT}}, "!has(self.a) || self.a > 1", {}, {"a": 1}),
        (
            {"type": "array", "maxItems": 3, "items": {"type": "array", "maxItems": 3, "items": INT}},
            "self.all(row, row.all(x, x == 1))",
            [[1], [1, 1]],
            [[1], [2]],
        ),
        (
            {"type": "object", "maxProperties": 3, "additionalProperties": OBJECT_WITH_N},
            "self.all(k, self[k].n > 0)",
            {"a": {"n": 1}},
            {"a": {"n": 0}},
        ),
    ],
)  # fmt: skip
def test_kubernetes_style_rules(field, text, good, bad):
    bounded = {**field, "maxLength": 100} if field.get("type") == "string" else field
    schema = compiled({**bounded, **rule(text, message="refused")})
    assert texts(schema, {"f": good}) == []
    assert [t.rpartition(": ")[2] for t in texts(schema, {"f": bad})] == ["refused"]


def test_root_rules_see_the_name():
    schema = StructuralSchema.compile({"type": "object", **rule("self.metadata.name.size() <= 3", message="long")})
    obj = {"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "abcd"}}
    assert [str(e) for e in schema.validate(obj)] == ["<nil>: Invalid value: long"]


def test_fields_without_structure_are_invisible():
    with pytest.raises(SchemaError, match="undefined field 'f'"):
        compiled({"x-kubernetes-preserve-unknown-fields": True}, **rule("has(self.f)"))


def test_a_null_counts_as_absent():
    schema = compiled(
        {"type": "object", "properties": {"a": {**INT, "nullable": True}}, **rule("!has(self.a) || self.a > 1")}
    )
    assert texts(schema, {"f": {"a": None}}) == []
    assert len(texts(schema, {"f": {"a": 1}})) == 1


def test_a_reserved_word_is_a_field_under_both_names():
    field = {"type": "object", "properties": {"namespace": {"type": "string", "maxLength": 9}}}
    schema = compiled({**field, **rule("self.namespace == 'x' && self.__namespace__ == 'x'")})
    assert texts(schema, {"f": {"namespace": "x"}}) == []
    assert len(texts(schema, {"f": {"namespace": "y"}})) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "self.f.matches('(')",
            "ERROR: <input>:1:16: invalid matches argument\n | self.f.matches('(')\n | ...............^",
        ),
        ("duration('x') > duration('1s')", "ERROR: <input>:1:10: invalid duration argument"),
        ("timestamp('x') > timestamp('2020-01-01T00:00:00Z')", "ERROR: <input>:1:11: invalid timestamp argument"),
        ("self.f in ['a', 1]", "ERROR: <input>:1:17: expected type 'string' but found 'int'"),
        ("true\n&& self.f.matches('[')", "ERROR: <input>:2:19: invalid matches argument"),
    ],
)
def test_literals_are_checked(text, problem):
    with pytest.raises(SchemaError) as refused:
        compiled({"type": "string", "maxLength": 9}, **rule(text, message="m"))
    [error] = refused.value.errors
    assert problem in error.message


def test_positions_are_those_of_the_rule_also_with_an_optional_old_self():
    with pytest.raises(SchemaError) as refused:
        compiled(
            {"type": "string", "maxLength": 9}, **rule("oldSelf.hasValue() && self.g == 'x'", optionalOldSelf=True)
        )
    assert "ERROR: <input>:1:27: undefined field 'g'" in refused.value.errors[0].message
