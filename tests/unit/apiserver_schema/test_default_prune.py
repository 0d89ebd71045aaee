from hypothesis import given
from hypothesis import strategies as st

from mnist_local.apiserver.schema import StructuralSchema
from mnist_local.apiserver.schema.jsonvalue import copy


def compiled(**properties):
    return StructuralSchema.compile(
        {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    )


NESTED = {
    "type": "object",
    "default": {},
    "properties": {"a": {"type": "integer", "default": 1}, "b": {"type": "string"}},
}


def test_defaults_go_into_defaults():
    obj = {"spec": {}}
    compiled(n=NESTED).default(obj)
    assert obj == {"spec": {"n": {"a": 1}}}


def test_no_default_where_the_parent_is_absent():
    obj = {}
    compiled(n=NESTED).default(obj)
    assert obj == {}


def test_nulls():
    schema = compiled(
        defaulted={"type": "integer", "default": 3},
        nullable={"type": "integer", "nullable": True, "default": 3},
        plain={"type": "string"},
        mapped={"type": "object", "additionalProperties": {"type": "string", "default": "x"}},
    )
    obj = {"spec": {"defaulted": None, "nullable": None, "plain": None, "mapped": {"k": None}, "unknown": None}}
    schema.default(obj)
    assert obj == {"spec": {"defaulted": 3, "nullable": None, "mapped": {"k": "x"}, "unknown": None}}


def test_defaults_are_copies():
    schema = compiled(n={"type": "array", "items": {"type": "string"}, "default": ["a"]})
    first, second = {"spec": {}}, {"spec": {}}
    schema.default(first)
    first["spec"]["n"].append("b")
    schema.default(second)
    assert second == {"spec": {"n": ["a"]}}


def test_prune_reports_paths_and_keeps_what_it_must():
    schema = compiled(
        known={"type": "object", "properties": {"a": {"type": "string"}}},
        items={"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
        free={
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"strict": {"type": "object"}},
        },
        labels={"type": "object", "additionalProperties": {"type": "string"}},
        anything={"type": "object", "additionalProperties": True},
    )
    obj = {
        "apiVersion": "v1",
        "kind": "K",
        "metadata": {"name": "x"},
        "extra": 1,
        "spec": {
            "known": {"a": "1", "b": 2},
            "items": [{"name": "x", "y": 1}],
            "free": {"any": {"thing": 1}, "strict": {"gone": 1}},
            "labels": {"kept": "x"},
            "anything": {"kept": 1, "deep": {"gone": 1}},
        },
    }
    assert schema.prune(obj) == [
        "extra",
        "spec.anything.deep.gone",
        "spec.free.strict.gone",
        "spec.items[0].y",
        "spec.known.b",
    ]
    assert obj == {
        "apiVersion": "v1",
        "kind": "K",
        "metadata": {"name": "x"},
        "spec": {
            "known": {"a": "1"},
            "items": [{"name": "x"}],
            "free": {"any": {"thing": 1}, "strict": {}},
            "labels": {"kept": "x"},
            "anything": {"kept": 1, "deep": {}},
        },
    }


def test_embedded_resources_keep_their_meta():
    schema = compiled(
        template={
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}},
        }
    )
    template = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"b": 1}, "status": {}}
    obj = {"spec": {"template": template}}
    assert schema.prune(obj) == ["spec.template.spec.b", "spec.template.status"]
    assert obj["spec"]["template"] == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {}}


KEYS = st.sampled_from(["a", "b", "n", "m", "l", "zz"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
SCHEMA = compiled(
    a={"type": "integer", "default": 1},
    b={"type": "string", "nullable": True},
    n=NESTED,
    m={"type": "object", "additionalProperties": NESTED},
    l={"type": "array", "items": NESTED},
)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_defaulting_is_idempotent(spec):
    once = {"spec": spec}
    SCHEMA.default(once)
    twice = copy(once)
    SCHEMA.default(twice)
    assert twice == once


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_pruning_is_idempotent_and_defaulting_survives_it(spec):
    obj = {"spec": spec}
    SCHEMA.prune(obj)
    assert SCHEMA.prune(obj) == []
    SCHEMA.default(obj)
    assert SCHEMA.prune(obj) == []
