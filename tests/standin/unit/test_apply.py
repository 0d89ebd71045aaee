"""Server-side apply and field ownership."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_local.apiserver.patch import ApplyConflict, PatchError, server_side_apply, update_managed_fields
from mnist_local.apiserver.schema import StructuralSchema
from mnist_local.apiserver.schema.node import copy

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 3, 5, 5, tzinfo=UTC)
STRING, INT = {"type": "string"}, {"type": "integer"}
ITEM = {"type": "object", "required": ["k"], "properties": {"k": STRING, "v": INT, "w": STRING}}
SCHEMA = StructuralSchema.compile(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "a": INT,
                    "b": INT,
                    "obj": {"type": "object", "properties": {"x": INT, "y": INT}},
                    "atom": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"x": INT, "y": INT}},
                    "list": {"type": "array", "items": STRING},
                    "set": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
                    "map": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["k"],
                        "items": ITEM,
                    },
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            },
            "status": {"type": "object", "properties": {"n": INT}},
        },
    }
)


def obj(spec=None, **more):
    found = {"apiVersion": "t/v1", "kind": "T", "metadata": {"name": "x"}, **more}
    return found if spec is None else {**found, "spec": spec}


def apply(live, spec, manager="m", force=False, now=NOW, **more):
    return server_side_apply(SCHEMA, live, obj(spec, **more), manager, force, now=now)


def owners(found):
    return {e["manager"]: e["fieldsV1"] for e in found["metadata"]["managedFields"]}


class TestApply:
    def test_again_changes_nothing_not_even_the_time(self):
        created = apply(None, {"a": 1, "obj": {"x": 1}})
        assert apply(created, {"a": 1, "obj": {"x": 1}}, now=LATER) == created

    def test_dropped_fields_are_removed(self):
        live = apply(None, {"a": 1, "obj": {"x": 1, "y": 2}, "set": ["p", "q"], "map": [{"k": "i"}, {"k": "j"}]})
        live = apply(live, {"obj": {"x": 1}, "set": ["q"], "map": [{"k": "j"}]})
        assert live["spec"] == {"obj": {"x": 1}, "set": ["q"], "map": [{"k": "j"}]}

    def test_what_another_has_too_stays(self):
        live = apply(None, {"a": 1, "set": ["p"]}, "one")
        live = apply(live, {"a": 1, "set": ["p", "q"]}, "two")
        live = apply(live, {"b": 2}, "one")
        assert live["spec"] == {"a": 1, "set": ["p", "q"], "b": 2}
        assert "f:a" not in owners(live)["one"]["f:spec"]

    def test_what_nobody_applied_stays(self):
        live = obj({"a": 1})
        live["metadata"]["managedFields"] = update_managed_fields(SCHEMA, None, live, "editor", now=NOW)
        live = apply(live, {"b": 2})
        live = apply(live, {})
        assert live["spec"] == {"a": 1}

    def test_conflicts(self):
        live = apply(None, {"a": 1, "map": [{"k": "i", "v": 1}]}, "one")
        with pytest.raises(ApplyConflict) as refused:
            apply(live, {"a": 2, "map": [{"k": "i", "v": 2}]}, "two")
        assert refused.value.conflicts == [('"one"', ".spec.a"), ('"one"', '.spec.map[k="i"].v')]
        assert refused.value.message == (
            'Apply failed with 2 conflicts: conflict with "one": .spec.a, conflict with "one": .spec.map[k="i"].v'
        )

    def test_a_conflict_with_an_updater_names_the_version(self):
        live = obj({"a": 1})
        live["metadata"]["managedFields"] = update_managed_fields(SCHEMA, None, live, "editor", now=NOW)
        with pytest.raises(ApplyConflict, match=r'conflict with "editor" using t/v1: \.spec\.a'):
            apply(live, {"a": 2})

    def test_force_takes_ownership(self):
        live = apply(None, {"a": 1, "b": 1}, "one")
        live = apply(live, {"a": 2}, "two", force=True)
        assert live["spec"] == {"a": 2, "b": 1}
        assert owners(live) == {"one": {"f:spec": {"f:b": {}}}, "two": {"f:spec": {"f:a": {}}}}

    def test_equal_values_are_shared(self):
        live = apply(apply(None, {"a": 1}, "one"), {"a": 1}, "two", now=LATER)
        assert owners(live) == {"one": {"f:spec": {"f:a": {}}}, "two": {"f:spec": {"f:a": {}}}}

    def test_atomic_values_are_one_field(self):
        live = apply(None, {"atom": {"x": 1}, "list": ["a"]}, "one")
        assert owners(live) == {"one": {"f:spec": {"f:atom": {}, "f:list": {}}}}
        live = apply(live, {"atom": {"y": 1}, "list": ["b"]}, "two", force=True)
        assert live["spec"] == {"atom": {"y": 1}, "list": ["b"]}
        assert set(owners(live)) == {"two"}

    def test_free_form_objects_merge_field_by_field(self):
        live = apply(None, {"free": {"x": {"y": 1}}}, "one")
        live = apply(live, {"free": {"x": {"z": [1]}}}, "two")
        assert live["spec"]["free"] == {"x": {"y": 1, "z": [1]}}

    def test_labels_and_owner_references(self):
        owner = {"apiVersion": "v1", "kind": "C", "name": "c", "uid": "u"}
        live = apply(None, None, metadata={"name": "x", "labels": {"a": "1"}, "ownerReferences": [owner]})
        live = apply(live, None, "two", metadata={"name": "x", "labels": {"b": "2"}})
        live = apply(live, None, metadata={"name": "x"})
        assert live["metadata"]["labels"] == {"b": "2"}
        assert "ownerReferences" not in live["metadata"]

    def test_status(self):
        live = apply(None, {"a": 1})
        both = obj({"a": 2}, status={"n": 1})
        live = server_side_apply(SCHEMA, {**live, "status": {"n": 1}}, both, "s", True, "status", now=NOW)
        entry = next(e for e in live["metadata"]["managedFields"] if e["manager"] == "s")
        assert entry["subresource"] == "status"
        assert entry["fieldsV1"] == {"f:status": {"f:n": {}}}
        main = server_side_apply(SCHEMA, None, both, "s", True, now=NOW, ignore_status=True)
        assert owners(main) == {"s": {"f:spec": {"f:a": {}}}}

    @pytest.mark.parametrize(
        ("spec", "problem"),
        [
            ({"zz": 1}, r"\.spec\.zz: field not declared in schema"),
            ({"a": "x", "obj": 3}, r"\.spec\.a: expected numeric, got string, \.spec\.obj: expected map, got numeric"),
            ({"map": [{"k": "a"}, {"k": "a"}]}, "several items with the same keys"),
            ({"map": [{"v": 1}]}, r"an item of a list has none of its keys \(k\)"),
        ],
    )
    def test_what_does_not_fit_the_schema(self, spec, problem):
        with pytest.raises(PatchError, match=problem) as refused:
            apply(None, spec)
        assert refused.value.status_code == 500

    def test_the_applied_order_of_items_wins(self):
        live = apply(None, {"map": [{"k": "i"}, {"k": "j"}]}, "one")
        live = apply(live, {"map": [{"k": "k"}, {"k": "j"}, {"k": "i"}]}, "two")
        assert [item["k"] for item in live["spec"]["map"]] == ["k", "j", "i"]

    def test_an_item_that_another_writes_to_keeps_its_key(self):
        live = apply(None, {"map": [{"k": "i", "v": 1}]}, "one")
        changed = {**live, "spec": {"map": [{"k": "i", "v": 1, "w": "x"}]}}
        managed = update_managed_fields(SCHEMA, live, changed, "two", now=LATER)
        live = apply({**changed, "metadata": {"name": "x", "managedFields": managed}}, {}, "one")
        assert live["spec"] == {"map": [{"k": "i", "w": "x"}]}

    def test_managed_fields_cannot_be_applied(self):
        with pytest.raises(PatchError, match=r"metadata\.managedFields must be nil"):
            apply(None, {}, metadata={"name": "x", "managedFields": []})


class TestUpdate:
    def test_creation_owns_everything_set(self):
        created = obj({"a": 1, "obj": {"x": 1}}, metadata={"name": "x", "uid": "u", "labels": {"l": "1"}})
        [entry] = update_managed_fields(SCHEMA, None, created, "m", now=NOW)
        assert entry["operation"] == "Update"
        assert entry["fieldsV1"] == {
            "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
            "f:spec": {".": {}, "f:a": {}, "f:obj": {".": {}, "f:x": {}}},
        }

    def test_a_change_moves_the_field_and_no_change_moves_nothing(self):
        old = obj({"a": 1, "b": 1})
        old["metadata"]["managedFields"] = update_managed_fields(SCHEMA, None, old, "one", now=NOW)
        before = copy(old)
        new = {**old, "spec": {"a": 1, "b": 2}}
        entries = update_managed_fields(SCHEMA, old, new, "two", now=LATER)
        assert {e["manager"]: e["fieldsV1"] for e in entries} == {
            "one": {"f:spec": {".": {}, "f:a": {}}},
            "two": {"f:spec": {"f:b": {}}},
        }
        assert old == before, "what is stored is not written to"
        assert update_managed_fields(SCHEMA, old, copy(old), "two", now=LATER) == old["metadata"]["managedFields"]

    def test_a_removed_field_is_nobodys(self):
        old = apply(None, {"a": 1, "b": 1}, "one")
        entries = update_managed_fields(SCHEMA, old, {**old, "spec": {"b": 1}}, "two", now=LATER)
        assert [(e["manager"], e["fieldsV1"]) for e in entries] == [("one", {"f:spec": {"f:b": {}}})]

    def test_an_applier_loses_what_an_update_changes(self):
        old = apply(None, {"a": 1, "b": 1}, "one")
        entries = update_managed_fields(SCHEMA, old, {**old, "spec": {"a": 2, "b": 1}}, "one", now=LATER)
        assert [(e["operation"], e["fieldsV1"]) for e in entries] == [
            ("Apply", {"f:spec": {"f:b": {}}}),
            ("Update", {"f:spec": {"f:a": {}}}),
        ]

    def test_the_status_subresource_has_entries_of_its_own(self):
        old = apply(None, {"a": 1}, "one")
        new = {**old, "status": {"n": 1}}
        entries = update_managed_fields(SCHEMA, old, new, "one", subresource="status", now=LATER)
        assert entries[-1]["subresource"] == "status"
        assert entries[-1]["fieldsV1"] == {"f:status": {".": {}, "f:n": {}}}

    def test_clients_can_reset_and_edit(self):
        old = apply(None, {"a": 1}, "one")
        reset = {**old, "metadata": {**old["metadata"], "managedFields": [{}]}}
        assert update_managed_fields(SCHEMA, old, reset, "two", now=LATER) == []
        absent = {**old, "metadata": {"name": "x"}}
        assert update_managed_fields(SCHEMA, old, absent, "two", now=LATER) == old["metadata"]["managedFields"]


NAMES = st.sampled_from(["i", "j", "k"])
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "a": st.integers(0, 2),
        "b": st.integers(0, 2),
        "obj": st.dictionaries(st.sampled_from(["x", "y"]), st.integers(0, 2), max_size=2),
        "atom": st.dictionaries(st.sampled_from(["x", "y"]), st.integers(0, 2), min_size=1, max_size=2),
        "set": st.lists(NAMES, unique=True, min_size=1, max_size=3),
        "map": st.lists(
            st.fixed_dictionaries({"k": NAMES}, optional={"v": st.integers(0, 2)}),
            unique_by=lambda i: i["k"],
            min_size=1,
            max_size=3,
        ),
    },
)


@given(SPECS, SPECS)
def test_applying_twice_is_applying_once(first, second):
    live = apply(apply(None, first, "one"), second, "two", force=True)
    assert apply(live, second, "two", force=True, now=LATER) == live


def without_order(spec):
    ordered = dict(spec)
    for name in ("set", "map"):
        if name in ordered:
            ordered[name] = sorted(ordered[name], key=lambda item: item["k"] if isinstance(item, dict) else item)
    return ordered


@given(SPECS, SPECS)
def test_a_lone_manager_gets_just_what_it_applies(first, second):
    live = apply(apply(None, first), second)
    expected = {name: value for name, value in second.items() if value != {}}
    found = {name: value for name, value in live.get("spec", {}).items() if value != {}}
    assert without_order(found) == without_order(expected)


@given(SPECS, SPECS)
def test_what_one_applies_survives_the_other(first, second):
    live = apply(apply(None, first, "one"), second, "two", force=True)
    gone = apply(live, {}, "two", force=True)
    for name in ("a", "b"):
        if name in first and (name not in second or second[name] == first[name]):
            assert gone["spec"][name] == first[name]
        elif name in second:
            assert name not in gone.get("spec", {})
