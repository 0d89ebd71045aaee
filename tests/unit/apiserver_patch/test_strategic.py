import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_local.apiserver.patch import PatchError, strategic_merge
from mnist_local.apiserver.schema.builtin import builtin_schema
from mnist_local.apiserver.schema.node import copy

DEPLOYMENT = builtin_schema("apps", "v1", "Deployment")
SERVICE = builtin_schema("", "v1", "Service")


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


def test_null_removes():
    assert patched({"metadata": {"labels": {"a": None, "c": "3"}}})["metadata"]["labels"] == {"b": "2", "c": "3"}


def test_items_merge_by_key():
    containers = pod_patched({"containers": [{"name": "x", "image": "j"}]})["containers"]
    assert [(c["name"], c["image"]) for c in containers] == [("x", "j"), ("y", "k")]
    assert names(containers[0]["env"]) == ["E", "F", "G"]


def test_patched_items_come_first_without_an_order():
    env = pod_patched({"containers": [{"name": "x", "env": [{"name": "H"}, {"name": "E", "value": "9"}]}]})
    assert [(e["name"], e.get("value")) for e in env["containers"][0]["env"]] == [
        ("H", None),
        ("E", "9"),
        ("F", "2"),
        ("G", "3"),
    ]


def test_set_element_order():
    pod = pod_patched({"$setElementOrder/containers": [{"name": "y"}, {"name": "x"}]})
    assert names(pod["containers"]) == ["y", "x"]
    item = {"name": "x", "$setElementOrder/env": [{"name": "N"}, {"name": "G"}], "env": [{"name": "N"}]}
    assert names(pod_patched({"containers": [item]})["containers"][0]["env"]) == ["N", "E", "F", "G"]


def test_delete_directive():
    item = {"name": "x", "env": [{"name": "F", "$patch": "delete"}]}
    assert names(pod_patched({"containers": [item]})["containers"][0]["env"]) == ["E", "G"]
    assert patched({"spec": {"strategy": {"$patch": "delete"}}})["spec"]["strategy"] == {}


def test_replace_directive():
    pod = pod_patched({"containers": [{"$patch": "replace"}, {"name": "only"}]})
    assert pod["containers"] == [{"name": "only"}]
    assert patched({"metadata": {"labels": {"$patch": "replace", "n": "1"}}})["metadata"]["labels"] == {"n": "1"}


def test_retain_keys():
    assert patched({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}})["spec"]["strategy"] == {
        "type": "Recreate"
    }
    volume = {"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}}
    assert pod_patched({"volumes": [volume]})["volumes"] == [{"name": "v", "configMap": {"name": "c"}}]


def test_lists_of_scalars():
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


def test_merge_key_of_service_ports():
    service = {"spec": {"ports": [{"name": "h", "port": 80}, {"name": "g", "port": 81}]}}
    result = strategic_merge(SERVICE, service, {"spec": {"ports": [{"port": 80, "name": "new"}]}})
    assert result["spec"]["ports"] == [{"name": "new", "port": 80}, {"name": "g", "port": 81}]


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        ([], 400),
        ({"spec": {"$patch": "bogus"}}, 500),
        ({"spec": {"template": {"spec": {"containers": [{"image": "no name"}]}}}}, 500),
        ({"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}}, 400),
    ],
)
def test_refusals(patch, status):
    with pytest.raises(PatchError) as refused:
        patched(patch)
    assert refused.value.status_code == status


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
