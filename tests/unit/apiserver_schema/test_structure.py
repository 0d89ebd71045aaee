import pytest

from mnist_local.apiserver.schema import SchemaError, StructuralSchema

P = "spec.validation.openAPIV3Schema"
LIST_OF = {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}, "required": ["k"]}}


def refusals(field):
    with pytest.raises(SchemaError) as refused:
        StructuralSchema.compile({"type": "object", "properties": {"f": field}})
    return [str(e) for e in refused.value.errors]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ({}, "type: Required value: must not be empty for specified object fields"),
        ({"type": "array"}, "items: Required value: must be specified"),
        ({"type": "array", "items": {}}, "items.type: Required value: must not be empty for specified array items"),
        ({"type": "object", "$ref": "#/x"}, "$ref: Forbidden: $ref is not supported"),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
            "additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            "uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "anyOf[0].type: Forbidden: must be empty to be structural"),
        (
            {"type": "null"},
            "type: Forbidden: type cannot be set to null, use nullable as an alternative",
        ),
        (
            {"type": "text"},
            'type: Unsupported value: "text": supported values: '
            '"array", "boolean", "integer", "number", "object", "string"',
        ),
        ({"type": "integer", "exclusiveMinimum": 0}, "exclusiveMinimum: Invalid value: 0: must be a boolean"),
        ({"type": "string", "maxLength": 1.5}, "maxLength: Invalid value: 1.5: must be an integer"),
        (
            {"type": "string", "x-kubernetes-list-type": "set"},
            'type: Invalid value: "string": must be array if x-kubernetes-list-type is specified',
        ),
        (
            {**LIST_OF, "x-kubernetes-list-type": "map"},
            "x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
        ),
        (
            {**LIST_OF, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["z"]},
            'x-kubernetes-list-map-keys: Invalid value: ["z"]: entries must all be names of item properties',
        ),
        (
            {**LIST_OF, "x-kubernetes-list-map-keys": ["k"]},
            "x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is non-empty",
        ),
        (
            {**LIST_OF, "x-kubernetes-list-type": "set"},
            "items.x-kubernetes-map-type: Invalid value: null: "
            "must be atomic as item of a list with x-kubernetes-list-type=set",
        ),
        (
            {"type": "string", "x-kubernetes-embedded-resource": True},
            'type: Invalid value: "string": must be object if x-kubernetes-embedded-resource is true',
        ),
        (
            {"type": "object", "x-kubernetes-embedded-resource": True},
            "properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without "
            "x-kubernetes-preserve-unknown-fields",
        ),
        (
            {"type": "object", "x-kubernetes-preserve-unknown-fields": False},
            "x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
        ),
    ],
)
def test_not_structural(field, expected):
    assert f"{P}.properties[f].{expected}" in refusals(field)


def test_pattern_must_be_re2():
    [found] = refusals({"type": "string", "pattern": "(?=x)"})
    assert found.startswith(f'{P}.properties[f].pattern: Invalid value: "(?=x)": must be a valid regular expression')


def test_map_key_needs_a_default_or_to_be_required():
    items = {"type": "object", "properties": {"k": {"type": "string"}}}
    field = {"type": "array", "items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    assert refusals(field) == [
        f"{P}.properties[f].items.properties[k].default: Required value: this property is in "
        "x-kubernetes-list-map-keys, so it must have a default or be a required property"
    ]


def test_what_is_validated_in_a_combination_must_be_declared():
    with pytest.raises(SchemaError) as refused:
        StructuralSchema.compile({"type": "object", "anyOf": [{"properties": {"a": {"minimum": 1}}}]})
    assert [str(e) for e in refused.value.errors] == [
        f"{P}.properties[a]: Required value: because it is defined in {P}.anyOf[0].properties[a]"
    ]


def test_root_rules():
    with pytest.raises(SchemaError) as refused:
        StructuralSchema.compile({"type": "string", "nullable": True}, "spec.versions[1].schema.openAPIV3Schema")
    texts = [str(e) for e in refused.value.errors]
    assert texts == [
        "spec.versions[1].schema.openAPIV3Schema.nullable: Forbidden: nullable cannot be true at the root",
        'spec.versions[1].schema.openAPIV3Schema.type: Invalid value: "string": must be object at the root',
    ]


def test_metadata_may_only_restrict_the_name():
    def compile_with(metadata):
        return StructuralSchema.compile({"type": "object", "properties": {"metadata": metadata}})

    compile_with({"type": "object"})
    compile_with({"type": "object", "properties": {"name": {"type": "string", "maxLength": 42}}})
    with pytest.raises(SchemaError, match="metadata is implicitly specified"):
        compile_with({"type": "object", "properties": {"labels": {"type": "object"}}})


@pytest.mark.parametrize(
    "field",
    [
        {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        {
            "x-kubernetes-int-or-string": True,
            "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"pattern": "x"}],
        },
        {"x-kubernetes-preserve-unknown-fields": True},
        {"type": "object", "additionalProperties": True},
        {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
    ],
)
def test_structural(field):
    StructuralSchema.compile({"type": "object", "properties": {"f": field}})
