import pytest

from mnist_local.apiserver.schema import StructuralSchema


def schema_of(field, **root):
    return StructuralSchema.compile(
        {"type": "object", "properties": {"spec": {"type": "object", "properties": {"f": field}}}, **root}
    )


def messages(field, value, old=...):
    schema = schema_of(field)
    old_object = None if old is ... else {"spec": {"f": old}}
    return [str(e) for e in schema.validate({"spec": {"f": value}}, old_object)]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ({"type": "integer", "minimum": 1}, 0, "Invalid value: 0: spec.f in body should be greater than or equal to 1"),
        (
            {"type": "integer", "minimum": 1, "exclusiveMinimum": True},
            1,
            "Invalid value: 1: spec.f in body should be greater than 1",
        ),
        (
            {"type": "number", "maximum": 0.5},
            0.75,
            "Invalid value: 0.75: spec.f in body should be less than or equal to 0.5",
        ),
        ({"type": "integer", "multipleOf": 2}, 3, "Invalid value: 3: spec.f in body should be a multiple of 2"),
        ({"type": "integer"}, "x", 'Invalid value: "string": spec.f in body must be of type integer: "string"'),
        ({"type": "integer"}, True, 'Invalid value: "boolean": spec.f in body must be of type integer: "boolean"'),
        ({"type": "string"}, 5, 'Invalid value: "integer": spec.f in body must be of type string: "integer"'),
        ({"type": "boolean"}, "true", 'Invalid value: "string": spec.f in body must be of type boolean: "string"'),
        ({"type": "string"}, None, 'Invalid value: "null": spec.f in body must be of type string: "null"'),
        ({"type": "string", "enum": ["a", "b"]}, "x", 'Unsupported value: "x": supported values: "a", "b"'),
        ({"type": "integer", "enum": [1, 2]}, 3, 'Unsupported value: 3: supported values: "1", "2"'),
        ({"type": "string", "maxLength": 2}, "abc", "Too long: may not be more than 2 bytes"),
        ({"type": "string", "maxLength": 1}, "abc", "Too long: may not be more than 1 byte"),
        ({"type": "string", "minLength": 2}, "a", 'Invalid value: "a": spec.f in body should be at least 2 chars long'),
        ({"type": "string", "pattern": "^a+$"}, "b", "Invalid value: \"b\": spec.f in body should match '^a+$'"),
        (
            {"type": "string", "format": "date-time"},
            "x",
            'Invalid value: "x": spec.f in body must be of type date-time: "x"',
        ),
        (
            {"type": "integer", "format": "int32"},
            2**31,
            'Invalid value: "": Checked value must be of type integer with format int32 in spec.f',
        ),
        (
            {"type": "array", "items": {"type": "string"}, "maxItems": 1},
            ["a", "b"],
            "Too many: 2: must have at most 1 item",
        ),
        (
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
            [],
            "Invalid value: 0: spec.f in body should have at least 1 items",
        ),
        (
            {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 0},
            {"a": "b"},
            "Too many: 1: must have at most 0 items",
        ),
        (
            {"x-kubernetes-int-or-string": True},
            True,
            'Invalid value: "boolean": spec.f in body must be of type integer,string: "boolean"',
        ),
    ],
)
def test_messages_are_those_of_the_api_server(field, value, message):
    [found] = messages(field, value)
    assert found in (f"spec.f: {message}", f"<nil>: {message}")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ({"type": "integer"}, 2.0),
        ({"type": "number"}, 2),
        ({"type": "string", "nullable": True}, None),
        ({"x-kubernetes-int-or-string": True}, "50%"),
        ({"x-kubernetes-int-or-string": True}, 3),
        ({"x-kubernetes-preserve-unknown-fields": True}, {"any": [1, "x"]}),
        ({"type": "string", "format": "made-up"}, "anything"),
        ({"type": "string", "maxLength": 2}, "éé"),
        ({"type": "integer", "format": "int64"}, 2**62),
    ],
)
def test_accepted(field, value):
    assert messages(field, value) == []


def test_a_fraction_is_no_integer():
    assert messages({"type": "integer"}, 1.5)[:2] == [
        'spec.f: Invalid value: "number": spec.f in body must be of type integer: "number"',
        '<nil>: Invalid value: "": Checked value must be of type integer (default format) in spec.f',
    ]


def test_integers_are_compared_to_the_whole_part_of_a_bound():
    assert messages({"type": "number", "minimum": 0.5}, 0) == []
    assert len(messages({"type": "number", "minimum": 0.5}, 0.25)) == 1


def test_status_errors_name_the_field_from_the_status_on():
    status = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}
    schema = StructuralSchema.compile(
        {"type": "object", "properties": {"spec": {"type": "object", "required": ["x"]}, "status": status}}
    )
    obj = {"spec": {}, "status": {"n": 0}}
    [error] = schema.validate(obj, obj | {"status": {}}, "status")
    assert str(error) == "status.n: Invalid value: 0: n in body should be greater than or equal to 1"


def test_embedded_resources_say_what_they_are():
    embedded = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    assert messages(embedded, {"apiVersion": "v1"}) == ["spec.f.kind: Required value"]
    assert messages(embedded, {"apiVersion": "v1", "kind": ""}) == ['spec.f.kind: Invalid value: "": must not be empty']
    assert messages(embedded, {"apiVersion": "v1", "kind": "Pod"}) == []


def test_required_field_and_paths_of_items_and_map_values():
    schema = schema_of(
        {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
        }
    )
    found = schema.validate({"spec": {"f": [{"name": "a"}, {"labels": {"x": 1}}]}})
    assert [(e.path, e.reason) for e in found] == [
        ("spec.f[1].labels.x", "FieldValueTypeInvalid"),
        ("spec.f[1].name", "FieldValueRequired"),
    ]
    assert found[1].message == "Required value"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {},
            '"spec.f" must validate one and only one schema (oneOf). Found none valid',
        ),
        (
            {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {"a": 1, "b": 1},
            '"spec.f" must validate one and only one schema (oneOf). Found 2 valid alternatives',
        ),
        (
            {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {},
            '"spec.f" must validate at least one schema (anyOf)',
        ),
        ({"not": {"required": ["a"]}}, {"a": 1}, '"spec.f" must not validate the schema (not)'),
        ({"allOf": [{"required": ["a"]}]}, {}, '"spec.f" must validate all the schemas (allOf). None validated'),
    ],
)
def test_combinations(field, value, message):
    number = {"type": "integer"}
    found = messages({"type": "object", "properties": {"a": number, "b": number}, **field}, value)
    assert f'<nil>: Invalid value: "": {message}' in found


def test_unchanged_errors_are_tolerated_on_update():
    field = {"type": "object", "properties": {"a": {"type": "integer", "maximum": 1}, "b": {"type": "string"}}}
    assert messages(field, {"a": 5, "b": "new"}, old={"a": 5, "b": "old"}) == []
    assert len(messages(field, {"a": 6}, old={"a": 5})) == 1


def test_lists_ratchet_by_item_only_when_they_are_maps():
    item = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "n": {"type": "integer", "maximum": 1}},
    }
    bad, other = {"name": "a", "n": 5}, {"name": "b", "n": 0}
    as_map = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    assert messages(as_map, [other, bad], old=[bad]) == []
    assert len(messages({"type": "array", "items": item}, [other, bad], old=[bad])) == 1


def test_uniqueness():
    as_set = {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}
    assert messages(as_set, ["a", "b", "a", "a"]) == ['spec.f[2]: Duplicate value: "a"']
    item = {
        "type": "object",
        "required": ["k"],
        "properties": {"k": {"type": "string"}, "p": {"type": "string", "default": "TCP"}},
    }
    as_map = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "p"]}
    assert messages(as_map, [{"k": "a", "p": "x"}, {"k": "a", "p": "x"}]) == [
        'spec.f[1]: Duplicate value: {"k":"a","p":"x"}'
    ]
    assert messages(as_map, [{"k": "a", "p": "x"}, {"k": "a", "p": "y"}]) == []
    assert messages(as_set, ["a", "a"], old=["a", "a"]) == [], "an old fault is tolerated"
