"""JSON patch, merge patch, and the strategic merge patch that `kubectl` sends for built-in kinds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_local.apiserver.patch import PatchError, json_patch, merge_patch, strategic_merge
from mnist_local.apiserver.schema import builtin_schema
from mnist_local.apiserver.schema.node import copy

DEPLOYMENT = builtin_schema("apps", "v1", "Deployment")
OBJ = {"metadata": {"uid": "u1"}, "spec": {"list": [1, 2], "map": {"a/b": 1, "c~d": 2}}}


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/spec/list/-", "value": 3}], [1, 2, 3]),
        ([{"op": "add", "path": "/spec/list/0", "value": 0}], [0, 1, 2]),
        ([{"op": "remove", "path": "/spec/list/0"}], [2]),
        ([{"op": "replace", "path": "/spec/list/1", "value": 9}], [1, 9]),
        ([{"op": "move", "from": "/spec/list/0", "path": "/spec/list/1"}], [2, 1]),
        ([{"op": "copy", "from": "/spec/list/0", "path": "/spec/list/-"}], [1, 2, 1]),
        ([{"op": "test", "path": "/metadata/uid", "value": "u1"}], [1, 2]),
    ],
)
def test_json_patch_operations(operations, expected):
    before = copy(OBJ)
    assert json_patch(OBJ, operations)["spec"]["list"] == expected
    assert before == OBJ


def test_pointers_with_escapes():
    patch = [{"op": "remove", "path": "/spec/map/a~1b"}, {"op": "remove", "path": "/spec/map/c~0d"}]
    assert json_patch(OBJ, patch)["spec"]["map"] == {}


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        ([{"op": "test", "path": "/metadata/uid", "value": "other"}], 422),
        ([{"op": "test", "path": "/spec/absent", "value": 1}], 422),
        ([{"op": "remove", "path": "/spec/absent"}], 422),
        ([{"op": "add", "path": "/absent/deep", "value": 1}], 422),
        ([{"op": "add", "path": "/spec/list/9", "value": 1}], 422),
        ([{"op": "replace", "path": "/spec/list/x", "value": 1}], 422),
        ([{"op": "frobnicate", "path": "/spec"}], 422),
        ([{"op": "add"}], 422),
        ({"op": "add"}, 400),
        (["add"], 400),
        ("text", 400),
    ],
)
def test_json_patches_that_are_refused(patch, status):
    with pytest.raises(PatchError) as refused:
        json_patch(OBJ, patch)
    assert refused.value.status_code == status


def test_a_refusal_does_not_quote_the_object():
    with pytest.raises(PatchError) as refused:
        json_patch({"data": {"password": "hunter2"}}, [{"op": "add", "path": "/nope/x", "value": 1}])
    assert "hunter2" not in refused.value.message


def test_a_failed_test_leaves_nothing_half_done():
    obj = {"a": [1]}
    with pytest.raises(PatchError):
        json_patch(obj, [{"op": "add", "path": "/a/-", "value": 2}, {"op": "test", "path": "/a/0", "value": 7}])
    assert obj == {"a": [1]}


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=4))
def test_the_empty_patch_changes_nothing(obj):
    assert json_patch(obj, []) == obj


# RFC 7396, appendix A (those whose target and result are objects).
RFC = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]

json = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=2), json, max_size=4)


@pytest.mark.parametrize(("target", "patch", "expected"), RFC)
def test_merge_patch_by_the_examples_of_rfc_7396(target, patch, expected):
    assert merge_patch(target, patch) == expected


@pytest.mark.parametrize("patch", [[], "text", None, 1])
def test_a_merge_patch_is_an_object(patch):
    with pytest.raises(PatchError) as refused:
        merge_patch({}, patch)
    assert refused.value.status_code == 400


@given(objects, objects)
def test_merging_twice_is_merging_once(obj, patch):
    once = merge_patch(obj, patch)
    assert merge_patch(once, patch) == once


@given(objects, objects)
def test_what_is_patched_is_there_and_the_rest_stays(obj, patch):
    merged = merge_patch(obj, patch)
    assert {k: v for k, v in merged.items() if k not in patch} == {k: v for k, v in obj.items() if k not in patch}
    for name, value in patch.items():
        if not isinstance(value, dict):
            assert merged[name] == value


def deployment():
    env = [{"name": "E", "value": "1"}, {"name": "F", "value": "2"}, {"name": "G", "value": "3"}]
    x = {"name": "x", "image": "i", "env": env, "args": ["a", "b"]}
    pod = {
        "containers": [x, {"name": "y", "image": "k"}],
        "volumes": [{"name": "v", "emptyDir": {}}],
        "tolerations": [{"key": "k", "operator": "Exists"}],
    }
    return {
        "metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["x.y/a", "x.y/b"]},
        "spec": {
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
            "template": {"spec": pod},
        },
    }


def patched(patch):
    before = deployment()
    result = strategic_merge(DEPLOYMENT, before, patch)
    assert before == deployment()
    return result


def pod_patched(patch):
    return patched({"spec": {"template": {"spec": patch}}})["spec"]["template"]["spec"]


def names(items):
    return [item["name"] for item in items]


def test_null_takes_a_field_away():
    assert patched({"metadata": {"labels": {"a": None, "c": "3"}}})["metadata"]["labels"] == {"b": "2", "c": "3"}


def test_items_merge_by_their_key():
    containers = pod_patched({"containers": [{"name": "x", "image": "j"}]})["containers"]
    assert [(c["name"], c["image"]) for c in containers] == [("x", "j"), ("y", "k")]
    assert names(containers[0]["env"]) == ["E", "F", "G"]


def test_items_take_the_patchs_order():
    pod = pod_patched({"$setElementOrder/containers": [{"name": "y"}, {"name": "x"}]})
    assert names(pod["containers"]) == ["y", "x"]
    item = {"name": "x", "$setElementOrder/env": [{"name": "N"}, {"name": "G"}], "env": [{"name": "N"}]}
    assert names(pod_patched({"containers": [item]})["containers"][0]["env"]) == ["N", "G", "E", "F"]


def test_an_item_or_object_can_be_deleted():
    item = {"name": "x", "env": [{"name": "F", "$patch": "delete"}]}
    assert names(pod_patched({"containers": [item]})["containers"][0]["env"]) == ["E", "G"]
    assert patched({"spec": {"strategy": {"$patch": "delete"}}})["spec"]["strategy"] == {}


def test_a_list_or_object_can_be_replaced():
    pod = pod_patched({"containers": [{"$patch": "replace"}, {"name": "only"}]})
    assert pod["containers"] == [{"name": "only"}]
    assert patched({"metadata": {"labels": {"$patch": "replace", "n": "1"}}})["metadata"]["labels"] == {"n": "1"}


def test_only_retained_keys_stay():
    assert patched({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}})["spec"]["strategy"] == {
        "type": "Recreate"
    }
    volume = {"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}}
    assert pod_patched({"volumes": [volume]})["volumes"] == [{"name": "v", "configMap": {"name": "c"}}]


def test_lists_of_scalars_are_replaced_or_joined():
    assert pod_patched({"containers": [{"name": "x", "args": ["c"]}]})["containers"][0]["args"] == ["c"]
    assert patched({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x.y/a"]}})["metadata"]["finalizers"] == [
        "x.y/b"
    ]
    assert sorted(patched({"metadata": {"finalizers": ["x.y/c"]}})["metadata"]["finalizers"]) == [
        "x.y/a",
        "x.y/b",
        "x.y/c",
    ]


def test_atomic_lists_are_replaced():
    assert pod_patched({"tolerations": [{"key": "z"}]})["tolerations"] == [{"key": "z"}]


def test_nothing_of_a_directive_is_left_where_nothing_was():
    added = patched({"metadata": {"annotations": {"a": "b", "n": None, "$retainKeys": ["a"]}}})
    assert added["metadata"]["annotations"] == {"a": "b"}


@pytest.mark.parametrize(
    "patch",
    [
        [],
        {"spec": {"$patch": "bogus"}},
        {"spec": {"template": {"spec": {"containers": [{"image": "no name"}]}}}},
    ],
)
def test_strategic_patches_that_are_refused(patch):
    with pytest.raises(PatchError) as refused:
        patched(patch)
    assert refused.value.status_code == 400


CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("xyzw")}, optional={"image": st.sampled_from("ijk")}),
    max_size=4,
    unique_by=lambda c: c["name"],
)


@given(CONTAINERS, CONTAINERS)
def test_every_patched_container_is_there_and_no_other_is_lost(live, patch):
    obj = {"spec": {"template": {"spec": {"containers": live}}}}
    before = copy(obj)
    once = strategic_merge(DEPLOYMENT, obj, {"spec": {"template": {"spec": {"containers": patch}}}})
    result = once["spec"]["template"]["spec"]["containers"]
    assert obj == before
    assert sorted(names(result)) == sorted({*names(live), *names(patch)})
    by_name = {c["name"]: c for c in result}
    assert all({**by_name[c["name"]], **c} == by_name[c["name"]] for c in patch)
    again = strategic_merge(DEPLOYMENT, once, {"spec": {"template": {"spec": {"containers": patch}}}})
    assert again == once
